use crate::{FhirXmlError, to_xml};

/// The form in which a resource travels.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Format {
    /// `application/fhir+json`
    Json,
    /// `application/fhir+xml`
    Xml,
}

impl Format {
    /// What the client wants: the parameter `_format` before the header `Accept`; JSON when it
    /// does not say. `None` when it wants only what we do not speak: HTTP 406.
    pub fn negotiate(accept: Option<&str>, format: Option<&str>) -> Option<Self> {
        if let Some(format) = format {
            // A plus that the URL did not escape arrives as a space.
            return Self::of_media_type(&format.replace(' ', "+"));
        }
        let Some(accept) = accept.filter(|a| !a.trim().is_empty()) else { return Some(Self::Json) };
        let mut best: Option<(Self, f32)> = None;
        for range in accept.split(',') {
            let (media_type, parameters) = range.split_once(';').unwrap_or((range, ""));
            let weight = weight(parameters);
            let Some(format) = Self::of_media_type(media_type) else { continue };
            if weight > best.map_or(0.0, |(_, other)| other) {
                best = Some((format, weight));
            }
        }
        best.map(|(format, _)| format)
    }

    /// The media type of an answer.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/fhir+json; charset=utf-8",
            Self::Xml => "application/fhir+xml; charset=utf-8",
        }
    }

    /// A resource, which is given in JSON, in this form.
    ///
    /// # Errors
    /// When it cannot be written as XML; JSON holds everything.
    pub fn render(self, json: Vec<u8>) -> Result<Vec<u8>, FhirXmlError> {
        match self {
            Self::Json => Ok(json),
            Self::Xml => to_xml(&serde_json::from_slice(&json).unwrap_or_default()),
        }
    }

    /// The form of what was sent, by its `Content-Type`; `None` for one that is not taken.
    pub fn of_content_type(content_type: &str) -> Option<Self> {
        Self::of_media_type(content_type).filter(|_| !content_type.contains('*'))
    }

    fn of_media_type(media_type: &str) -> Option<Self> {
        let bare = media_type.split(';').next().unwrap_or(media_type).trim().to_ascii_lowercase();
        match bare.as_str() {
            "json"
            | "application/json"
            | "application/fhir+json"
            | "text/json"
            | "*/*"
            | "application/*" => Some(Self::Json),
            "xml" | "application/xml" | "application/fhir+xml" | "text/xml" => Some(Self::Xml),
            _ => None,
        }
    }
}

fn weight(parameters: &str) -> f32 {
    let quality = parameters.split(';').find_map(|p| p.trim().strip_prefix("q="));
    quality.map_or(1.0, |q| q.trim().parse().unwrap_or(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parameter_comes_before_the_header() {
        let (json, xml) = (Some(Format::Json), Some(Format::Xml));
        for (accept, format, expected) in [
            (None, None, json),
            (Some("*/*"), None, json),
            (Some("application/fhir+xml"), None, xml),
            (Some("application/fhir+xml; q=0.5, application/fhir+json"), None, json),
            (Some("text/html, application/xml;q=0.9, */*;q=0.8"), None, xml),
            (Some("application/fhir+json;fhirVersion=4.0"), None, json),
            (Some("application/fhir+json"), Some("xml"), xml),
            (Some("application/fhir+json"), Some("application/fhir xml"), xml),
            (Some("text/turtle"), None, None),
            (Some("application/fhir+xml;q=0"), None, None),
            (None, Some("ttl"), None),
        ] {
            assert_eq!(Format::negotiate(accept, format), expected, "{accept:?} {format:?}");
        }
    }
}
