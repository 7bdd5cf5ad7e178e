use std::collections::HashMap;
use std::fmt;

use async_trait::async_trait;
use aws_lc_rs::aead::{Aad, LessSafeKey, NONCE_LEN, Nonce};

use super::{DataKey, KeyError, KeyWrapper, WrappedKey};

/// Keys out of files: AES-256-GCM, with the names of key and object authenticated beside.
pub struct FileKeys {
    keys: HashMap<String, LessSafeKey>,
    current: Option<String>,
}

impl FileKeys {
    /// Keys by name. `current` encrypts the keys of new objects, the others of objects from before.
    ///
    /// # Errors
    /// When there is no key named `current`.
    pub fn new(
        current: Option<String>,
        keys: impl IntoIterator<Item = (String, DataKey)>,
    ) -> Result<Self, KeyError> {
        let keys: HashMap<_, _> = keys.into_iter().map(|(id, key)| (id, key.cipher())).collect();
        match current {
            Some(id) if !keys.contains_key(&id) => Err(KeyError::Unknown(id)),
            current => Ok(Self { keys, current }),
        }
    }

    fn key(&self, id: &str) -> Result<&LessSafeKey, KeyError> {
        self.keys.get(id).ok_or_else(|| KeyError::Unknown(id.to_owned()))
    }
}

impl fmt::Debug for FileKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FileKeys({:?} of {})", self.current, self.keys.len())
    }
}

#[async_trait]
impl KeyWrapper for FileKeys {
    fn current(&self) -> Option<&str> {
        self.current.as_deref()
    }

    async fn wrap(&self, key: &DataKey, object: &str) -> Result<WrappedKey, KeyError> {
        let id = self.current.as_deref().ok_or(KeyError::NoCurrent)?;
        let failed = |_| KeyError::Unavailable("encryption failed".to_owned());
        let mut nonce = [0; NONCE_LEN];
        aws_lc_rs::rand::fill(&mut nonce).map_err(failed)?;
        let mut bytes = key.expose().to_vec();
        let beside = Aad::from(beside(id, object));
        self.key(id)?
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), beside, &mut bytes)
            .map_err(failed)?;
        bytes.splice(0..0, nonce);
        Ok(WrappedKey { key_id: id.to_owned(), bytes })
    }

    async fn open(&self, wrapped: &WrappedKey, object: &str) -> Result<DataKey, KeyError> {
        let wrong = || KeyError::Wrong(wrapped.key_id.clone());
        let key = self.key(&wrapped.key_id)?;
        let (nonce, sealed) = wrapped.bytes.split_first_chunk().ok_or_else(wrong)?;
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let beside = Aad::from(beside(&wrapped.key_id, object));
        let mut bytes = zeroize::Zeroizing::new(sealed.to_vec());
        let opened = key.open_in_place(nonce, beside, &mut bytes).map_err(|_| wrong())?;
        DataKey::from_slice(opened).ok_or_else(wrong)
    }
}

/// What is authenticated beside the key, so that it is of use for this object only.
fn beside(key_id: &str, object: &str) -> Vec<u8> {
    format!("carerecord key 1\n{key_id}\n{object}").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(current: &str, all: &[(&str, u8)]) -> FileKeys {
        let key = |(id, byte): &(&str, u8)| {
            ((*id).to_owned(), DataKey::from_slice(&[*byte; 32]).unwrap())
        };
        FileKeys::new(Some(current.to_owned()), all.iter().map(key)).unwrap()
    }

    #[tokio::test]
    async fn an_old_key_opens_what_a_new_one_takes_over() {
        let old = keys("a", &[("a", 1)]);
        let both = keys("b", &[("a", 1), ("b", 2)]);
        let new = keys("b", &[("b", 2)]);
        let data = DataKey::random().unwrap();

        let first = old.wrap(&data, "object").await.unwrap();
        let opened = both.open(&first, "object").await.unwrap();
        let second = both.wrap(&opened, "object").await.unwrap();

        assert_eq!(second.key_id, "b");
        assert_eq!(new.open(&second, "object").await.unwrap().expose(), data.expose());
        assert!(matches!(new.open(&first, "object").await, Err(KeyError::Unknown(_))));
        let reading =
            FileKeys::new(None, [("a".to_owned(), DataKey::from_slice(&[1; 32]).unwrap())]);
        let reading = reading.unwrap();
        assert_eq!(reading.open(&first, "object").await.unwrap().expose(), data.expose());
        assert!(matches!(reading.wrap(&data, "object").await, Err(KeyError::NoCurrent)));
    }

    #[tokio::test]
    async fn a_wrapped_key_is_of_use_for_its_object_and_its_key_only() {
        let ours = keys("a", &[("a", 1)]);
        let wrapped = ours.wrap(&DataKey::random().unwrap(), "object").await.unwrap();
        let mut changed = wrapped.clone();
        changed.bytes[20] ^= 1;

        let short = WrappedKey { bytes: vec![0; 5], ..wrapped.clone() };
        for (keys, wrapped, object) in [
            (&ours, &wrapped, "other"),
            (&ours, &changed, "object"),
            (&ours, &short, "object"),
            (&keys("a", &[("a", 2)]), &wrapped, "object"),
        ] {
            assert!(matches!(keys.open(wrapped, object).await, Err(KeyError::Wrong(_))));
        }
        assert!(FileKeys::new(Some("b".to_owned()), []).is_err());
    }
}
