//! What the bytes of a stranger reach first, for the fuzz targets of `tests/fuzz`. No interface of the
//! product.

use carerecord_codec::hl7v2::Message;

/// How many events a message of HL7 v3 could be, whatever its interaction.
pub fn identity_v3(bytes: &[u8]) -> usize {
    crate::identity::hl7v3::events(bytes)
}

/// Whether a message of HL7 v2 is an event.
pub fn identity_v2(bytes: &[u8]) -> bool {
    Message::parse(bytes).is_ok_and(|message| crate::identity::is_event(&message))
}
