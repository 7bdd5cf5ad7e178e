//! What the bytes of a stranger reach first, for the fuzz targets of `tests/fuzz`. No interface of the
//! product.

/// The bytes of text that a document has for searches; `None` when it cannot be read.
pub fn text(bytes: &[u8]) -> Option<usize> {
    crate::search::extracted(bytes)
}
