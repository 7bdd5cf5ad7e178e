//! What the bytes of a stranger reach first, for the fuzz targets of `tests/fuzz`. No interface of the
//! product.

/// Whether a logout token would be taken from a provider with one key.
pub fn logout_token(token: &str) -> bool {
    crate::sign_in::logout_token_is_taken(token)
}
