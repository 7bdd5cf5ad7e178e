use carerecord_model::{
    ErrorCode, RegistryError, RegistryErrors, ResponseStatus, Severity, TransactionError,
};
use carerecord_xml::{Decode, Encode, EncodeError, Start, XmlError, XmlReader, XmlWriter};

use crate::name::{RS, rs};

/// The answer to ITI-41 and ITI-42, and part of the answers to ITI-18 and ITI-43.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RegistryResponse {
    /// What became of the request.
    pub status: ResponseStatus,
    /// Errors and warnings.
    pub errors: RegistryErrors,
}

impl RegistryResponse {
    /// Success, with warnings or without.
    pub fn success(warnings: RegistryErrors) -> Self {
        Self { status: ResponseStatus::Success, errors: warnings }
    }

    /// Failure.
    pub fn failure(error: TransactionError) -> Self {
        Self { status: ResponseStatus::Failure, errors: error.0 }
    }

    /// The result that the answer stands for.
    ///
    /// # Errors
    /// The errors of a failure.
    pub fn into_result(self) -> Result<RegistryErrors, TransactionError> {
        match self.status {
            ResponseStatus::Success => Ok(self.errors),
            ResponseStatus::PartialSuccess | ResponseStatus::Failure if self.errors.is_empty() => {
                let what = "the registry failed without saying why";
                Err(TransactionError::one(ErrorCode::XDSRegistryError, what))
            }
            ResponseStatus::PartialSuccess | ResponseStatus::Failure => {
                Err(TransactionError(self.errors))
            }
        }
    }
}

impl Decode for RegistryResponse {
    fn decode(start: &Start, xml: &mut XmlReader<'_>) -> Result<Self, XmlError> {
        if !start.is(rs("RegistryResponse")) {
            return Err(xml.unexpected(start));
        }
        let status = read_status(start, xml)?;
        let mut errors = Vec::new();
        while let Some(child) = xml.next_child()? {
            if child.is(rs("RegistryErrorList")) {
                errors = read_errors(xml)?;
            } else {
                xml.skip()?;
            }
        }
        Ok(Self { status, errors })
    }
}

impl Encode for RegistryResponse {
    fn encode<W: std::io::Write>(&self, xml: &mut XmlWriter<W>) -> Result<(), EncodeError> {
        let attributes = [("xmlns:rs", RS), ("status", self.status.urn())];
        xml.element("rs:RegistryResponse", &attributes, |xml| write_errors(&self.errors, xml))
    }
}

pub(crate) fn read_status(start: &Start, xml: &XmlReader<'_>) -> Result<ResponseStatus, XmlError> {
    let urn = start.required("status")?;
    ResponseStatus::from_urn(urn)
        .ok_or_else(|| xml.invalid("the response status is not one of XDS"))
}

pub(crate) fn read_errors(xml: &mut XmlReader<'_>) -> Result<RegistryErrors, XmlError> {
    let mut errors = Vec::new();
    while let Some(child) = xml.next_child()? {
        if !child.is(rs("RegistryError")) {
            return Err(xml.unexpected(&child));
        }
        let warning = child.attr("severity").is_some_and(|s| s.ends_with("Warning"));
        errors.push(RegistryError {
            code: ErrorCode::from_wire(child.attr("errorCode").unwrap_or("")),
            context: child.attr("codeContext").unwrap_or("").to_owned(),
            severity: if warning { Severity::Warning } else { Severity::Error },
            location: child.attr("location").filter(|l| !l.is_empty()).map(str::to_owned),
        });
        xml.skip()?;
    }
    Ok(errors)
}

/// Writes the list; nothing when there is no error, since an empty list is against the schema.
pub(crate) fn write_errors<W: std::io::Write>(
    errors: &RegistryErrors,
    xml: &mut XmlWriter<W>,
) -> Result<(), EncodeError> {
    let Some(highest) = errors.iter().map(|e| e.severity).max() else { return Ok(()) };
    xml.element("rs:RegistryErrorList", &[("highestSeverity", severity(highest))], |xml| {
        errors.iter().try_for_each(|e| {
            let mut attributes = vec![
                ("errorCode", e.code.as_str()),
                ("codeContext", e.context.as_str()),
                ("severity", severity(e.severity)),
            ];
            attributes.extend(e.location.as_deref().map(|l| ("location", l)));
            xml.empty("rs:RegistryError", &attributes)
        })
    })
}

fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "urn:oasis:names:tc:ebxml-regrep:ErrorSeverityType:Error",
        Severity::Warning => "urn:oasis:names:tc:ebxml-regrep:ErrorSeverityType:Warning",
    }
}
