//! What a stored query found, as this deployment's own roles tell each other: the model in MessagePack
//! with named members. The registry answers ITI-18 with it whoever takes it (`Accept`), and in ebRIM
//! everybody else: reading ebRIM was a third of what a search by FHIR cost.

use carerecord_model::FoundObjects;

use crate::ContentType;

/// Its media type. Another shape of the model that older readers would misread gets another number;
/// a member that is only added does not.
pub const FOUND_MSGPACK: &str = "application/vnd.carerecord.found.v1+msgpack";

/// Why objects could not be told, or not be read.
#[derive(Debug, thiserror::Error)]
#[error("objects in MessagePack: {0}")]
pub struct FoundError(String);

/// Whether a header says that this form is taken.
pub fn takes_found_msgpack(accept: &str) -> bool {
    accept.split(',').filter_map(ContentType::parse).any(|t| t.essence == FOUND_MSGPACK)
}

/// Writes what was found.
///
/// # Errors
/// `FoundError` for what the form cannot hold.
pub fn write_found_msgpack(found: &FoundObjects) -> Result<Vec<u8>, FoundError> {
    rmp_serde::to_vec_named(found).map_err(|e| FoundError(e.to_string()))
}

/// Reads what was found.
///
/// # Errors
/// `FoundError` for anything else.
pub fn read_found_msgpack(bytes: &[u8]) -> Result<FoundObjects, FoundError> {
    rmp_serde::from_slice(bytes).map_err(|e| FoundError(e.to_string()))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use carerecord_testkit::submission::Builder;

    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut builder = Builder::of("9990001146^^^&2.16.840.1.113883.2.1.4.1&ISO");
        let mut submission = builder.document();
        let document = submission.document_entries[0].entry_uuid.clone();
        let folder = builder.add_folder(&mut submission);
        builder.add_to_folder(&mut submission, &folder, &document);
        let found = FoundObjects {
            document_entries: submission.document_entries.into_iter().map(Arc::new).collect(),
            submission_sets: vec![submission.submission_set],
            folders: submission.folders,
            associations: submission.associations,
        };

        let written = write_found_msgpack(&found).unwrap();

        assert_eq!(read_found_msgpack(&written).unwrap(), found);
        assert!(read_found_msgpack(&written[..written.len() - 1]).is_err());
        assert!(read_found_msgpack(b"<html/>").is_err());
    }

    #[test]
    fn it_is_taken_by_who_says_so() {
        for (accept, taken) in [
            ("application/vnd.carerecord.found.v1+msgpack, application/soap+xml", true),
            ("application/soap+xml;q=0.9,Application/Vnd.CareRecord.Found.v1+MsgPack;q=1", true),
            ("application/vnd.carerecord.found.v2+msgpack", false),
            ("*/*", false),
            ("", false),
        ] {
            assert_eq!(takes_found_msgpack(accept), taken, "{accept}");
        }
    }
}
