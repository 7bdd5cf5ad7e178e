//! Encryption of what is kept, each row by a key of its own.

use aws_lc_rs::aead::{AES_256_GCM, Aad, RandomizedNonceKey};

/// Encrypts; the nonce stands at the end. `None` if it cannot be done.
pub(crate) fn seal(key: &[u8; 32], mut data: Vec<u8>) -> Option<Vec<u8>> {
    let key = RandomizedNonceKey::new(&AES_256_GCM, key).ok()?;
    let nonce = key.seal_in_place_append_tag(Aad::empty(), &mut data).ok()?;
    data.extend_from_slice(nonce.as_ref());
    Some(data)
}

/// Decrypts what [`seal`] made; `None` if it is not that, or was made with another key.
pub(crate) fn open(key: &[u8; 32], mut data: Vec<u8>) -> Option<Vec<u8>> {
    let key = RandomizedNonceKey::new(&AES_256_GCM, key).ok()?;
    let at = data.len().checked_sub(NONCE_BYTES)?;
    let nonce: [u8; NONCE_BYTES] = data[at..].try_into().ok()?;
    data.truncate(at);
    let length = key.open_in_place((&nonce).into(), Aad::empty(), &mut data).ok()?.len();
    data.truncate(length);
    Some(data)
}

const NONCE_BYTES: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_its_own_key_opens_it() {
        let sealed = seal(&[7; 32], b"token".to_vec()).unwrap();

        assert_eq!(open(&[7; 32], sealed.clone()).unwrap(), b"token");
        assert!(!sealed.windows(5).any(|w| w == b"token"));
        assert!(open(&[8; 32], sealed).is_none());
        assert!(open(&[7; 32], b"short".to_vec()).is_none());
    }
}
