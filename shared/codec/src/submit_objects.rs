use carerecord_model::Submission;
use carerecord_xml::{Decode, Encode, EncodeError, Start, XmlError, XmlReader, XmlWriter};

use crate::ebrim::{self, KeptObjects, RegistryObject, WrittenObjects};
use crate::name::{LCM, RIM, lcm, rim};

/// The body of ITI-42, and the metadata half of ITI-41: `lcm:SubmitObjectsRequest`.
#[derive(Clone, Debug, PartialEq)]
pub struct SubmitObjectsRequest {
    /// The objects of the RegistryObjectList, in order.
    pub objects: Vec<RegistryObject>,
}

impl SubmitObjectsRequest {
    /// The request for a submission.
    pub fn new(submission: &Submission) -> Self {
        let mut objects = KeptObjects::default();
        let Ok(()) = ebrim::tell_submission(submission, &mut objects);
        Self { objects: objects.0 }
    }
}

impl Decode for SubmitObjectsRequest {
    fn decode(start: &Start, xml: &mut XmlReader<'_>) -> Result<Self, XmlError> {
        if !start.is(lcm("SubmitObjectsRequest")) {
            return Err(xml.unexpected(start));
        }
        let mut objects = None;
        while let Some(child) = xml.next_child()? {
            if child.is(rim("RegistryObjectList")) {
                objects = Some(read_object_list(xml)?);
            } else {
                // Request slots are for gateways.
                xml.skip()?;
            }
        }
        let missing = || xml.invalid("the RegistryObjectList is missing");
        Ok(Self { objects: objects.ok_or_else(missing)? })
    }
}

impl Encode for SubmitObjectsRequest {
    fn encode<W: std::io::Write>(&self, xml: &mut XmlWriter<W>) -> Result<(), EncodeError> {
        around(xml, |xml| self.objects.iter().try_for_each(|o| o.write(xml)))
    }
}

/// The same request, written from a submission.
pub struct SubmittedObjects<'a>(pub &'a Submission);

impl Encode for SubmittedObjects<'_> {
    fn encode<W: std::io::Write>(&self, xml: &mut XmlWriter<W>) -> Result<(), EncodeError> {
        around(xml, |xml| ebrim::tell_submission(self.0, &mut WrittenObjects::new(xml)))
    }
}

fn around<W: std::io::Write>(
    xml: &mut XmlWriter<W>,
    objects: impl FnOnce(&mut XmlWriter<W>) -> Result<(), EncodeError>,
) -> Result<(), EncodeError> {
    let namespaces = [("xmlns:lcm", LCM), ("xmlns:rim", RIM)];
    xml.element("lcm:SubmitObjectsRequest", &namespaces, |xml| {
        xml.element("rim:RegistryObjectList", &[], objects)
    })
}

/// Reads the objects of a list whose opening tag has just been read.
pub(crate) fn read_object_list(xml: &mut XmlReader<'_>) -> Result<Vec<RegistryObject>, XmlError> {
    let mut objects = Vec::new();
    while let Some(child) = xml.next_child()? {
        objects.push(RegistryObject::read(&child, xml)?);
    }
    Ok(objects)
}
