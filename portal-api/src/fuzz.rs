//! What the bytes of a stranger reach first, for the fuzz targets of `tests/fuzz`. No interface of the
//! product.

/// Whether the claims of an access token name a caller.
pub fn claims(json: &[u8]) -> bool {
    crate::token::names_a_caller(json)
}
