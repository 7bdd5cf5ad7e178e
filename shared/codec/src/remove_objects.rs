use carerecord_model::EntryUuid;
use carerecord_xml::{Decode, Encode, EncodeError, Start, XmlError, XmlReader, XmlWriter};

use crate::name::{LCM, RIM, lcm, rim};

/// The body of ITI-62: `lcm:RemoveObjectsRequest`. The ids of what is to be removed, in order.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RemoveObjectsRequest {
    /// The entryUUIDs; never empty.
    pub ids: Vec<EntryUuid>,
}

impl Decode for RemoveObjectsRequest {
    fn decode(start: &Start, xml: &mut XmlReader<'_>) -> Result<Self, XmlError> {
        if !start.is(lcm("RemoveObjectsRequest")) {
            return Err(xml.unexpected(start));
        }
        let mut ids = Vec::new();
        while let Some(child) = xml.next_child()? {
            if child.is(rim("ObjectRefList")) {
                while let Some(reference) = xml.next_child()? {
                    if !reference.is(rim("ObjectRef")) {
                        return Err(xml.unexpected(&reference));
                    }
                    let id = reference.required("id")?.trim();
                    ids.push(id.parse().map_err(|_| xml.invalid("an id is not urn:uuid:…"))?);
                    xml.skip()?;
                }
            } else if child.is(rim("AdhocQuery")) {
                // Removing whatever a query finds is not XDS.
                return Err(xml.unexpected(&child));
            } else {
                xml.skip()?;
            }
        }
        if ids.is_empty() {
            return Err(xml.invalid("the ObjectRefList is missing or empty"));
        }
        Ok(Self { ids })
    }
}

impl Encode for RemoveObjectsRequest {
    fn encode<W: std::io::Write>(&self, xml: &mut XmlWriter<W>) -> Result<(), EncodeError> {
        let namespaces = [("xmlns:lcm", LCM), ("xmlns:rim", RIM)];
        xml.element("lcm:RemoveObjectsRequest", &namespaces, |xml| {
            xml.element("rim:ObjectRefList", &[], |xml| {
                self.ids.iter().try_for_each(|id| {
                    xml.empty("rim:ObjectRef", &[("id", id.to_string().as_str())])
                })
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_survive_the_wire() {
        let id = "urn:uuid:aaaaaaaa-0000-4000-8000-000000000001".parse().unwrap();
        let request = RemoveObjectsRequest { ids: vec![id] };

        let bytes = carerecord_xml::encode(&request).unwrap();

        assert_eq!(carerecord_xml::decode::<RemoveObjectsRequest>(&bytes).unwrap(), request);
    }

    #[test]
    fn a_request_for_nothing_is_refused() {
        let empty = RemoveObjectsRequest { ids: Vec::new() };

        let bytes = carerecord_xml::encode(&empty).unwrap();

        assert!(carerecord_xml::decode::<RemoveObjectsRequest>(&bytes).is_err());
    }
}
