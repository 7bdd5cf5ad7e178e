use std::fmt;
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use base64::Engine as _;
use base64::alphabet::Alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use carerecord_access::Caller;
use carerecord_model::{IdSource, NhsNumber};

/// Makes and reads the logical ids of Patient resources.
///
/// A URL must not name a patient, so an id is the NHS Number sealed: only this portal can read it,
/// it means something to the caller it was made for and to nobody else, and it is another one each
/// time. AES-256-GCM, with the caller bound in.
#[derive(Clone)]
pub struct PatientIds(Arc<LessSafeKey>);

impl PatientIds {
    /// Ids under a key. All copies of a portal need the same one.
    pub fn new(key: [u8; 32]) -> Self {
        let key = UnboundKey::new(&AES_256_GCM, &key).expect("the length is the algorithm's");
        Self(Arc::new(LessSafeKey::new(key)))
    }

    /// A fresh id: 51 characters of those that FHIR allows.
    pub(crate) fn seal(&self, number: NhsNumber, caller: &Caller, ids: &dyn IdSource) -> String {
        self.seal_text(&number.digits(), aad(caller), ids)
    }

    /// A search for people, for a link to its next page.
    pub(crate) fn seal_search(&self, search: &str, caller: &Caller, ids: &dyn IdSource) -> String {
        self.seal_text(search, search_aad(caller), ids)
    }

    fn seal_text(&self, text: &str, aad: Aad<String>, ids: &dyn IdSource) -> String {
        let mut nonce = [0; NONCE_LEN];
        nonce.copy_from_slice(&ids.random().as_bytes()[16 - NONCE_LEN..]);
        let mut sealed = text.as_bytes().to_vec();
        let unique = Nonce::assume_unique_for_key(nonce);
        self.0
            .seal_in_place_append_tag(unique, aad, &mut sealed)
            .expect("a text far shorter than the cipher's limit can be sealed");
        engine().encode([&nonce[..], &sealed].concat())
    }

    /// The number that an id stands for; `None` when it is not one of ours for this caller.
    pub(crate) fn open(&self, id: &str, caller: &Caller) -> Option<NhsNumber> {
        self.open_text(id, aad(caller))?.parse().ok()
    }

    /// The search that a link holds; `None` when it is not one of ours for this caller.
    pub(crate) fn open_search(&self, link: &str, caller: &Caller) -> Option<String> {
        self.open_text(link, search_aad(caller))
    }

    fn open_text(&self, sealed: &str, aad: Aad<String>) -> Option<String> {
        let mut bytes = engine().decode(sealed).ok()?;
        let (nonce, sealed) = bytes.split_at_mut_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let text = self.0.open_in_place(nonce, aad, sealed).ok()?;
        String::from_utf8(text.to_vec()).ok()
    }
}

impl fmt::Debug for PatientIds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PatientIds")
    }
}

fn aad(caller: &Caller) -> Aad<String> {
    Aad::from(format!("Patient of {}", caller.id()))
}

fn search_aad(caller: &Caller) -> Aad<String> {
    Aad::from(format!("Search of {}", caller.id()))
}

/// Base64 of the characters that an id may have.
fn engine() -> GeneralPurpose {
    let alphabet = Alphabet::new(CHARACTERS).expect("they are 64 different ones");
    let config = GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone);
    GeneralPurpose::new(&alphabet, config)
}

const CHARACTERS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-.";

#[cfg(test)]
mod tests {
    use carerecord_access::{Right, SystemCaller};
    use carerecord_model::RandomIds;

    use super::*;

    #[test]
    fn an_id_is_opened_by_its_caller_only_and_never_twice_the_same() {
        let ids = PatientIds::new([7; 32]);
        let number: NhsNumber = "9990001006".parse().unwrap();
        let (one, other) = (system("one"), system("other"));

        let id = ids.seal(number, &one, &RandomIds);

        assert!(id.len() <= 64 && !id.contains("999000"), "{id}");
        assert_eq!(ids.open(&id, &one), Some(number));
        assert_eq!(ids.open(&id, &other), None);
        assert_eq!(PatientIds::new([8; 32]).open(&id, &one), None);
        assert_ne!(ids.seal(number, &one, &RandomIds), id);
        let search = ids.seal_search("0&family=Okafor", &one, &RandomIds);
        assert_eq!(ids.open_search(&search, &one).as_deref(), Some("0&family=Okafor"));
        assert_eq!((ids.open_search(&search, &other), ids.open(&search, &one)), (None, None));
        assert_eq!(ids.open_search(&id, &one), None, "a person is no search");
    }

    #[test]
    fn what_is_changed_or_made_up_is_nobody() {
        let ids = PatientIds::new([7; 32]);
        let one = system("one");
        let id = ids.seal("9990001006".parse().unwrap(), &one, &RandomIds);

        for at in 0..id.len() {
            let mut changed = id.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            assert_eq!(ids.open(&String::from_utf8(changed).unwrap(), &one), None, "{at}");
        }
        for made_up in ["", "9990001006", "AAAA", "../x", "é"] {
            assert_eq!(ids.open(made_up, &one), None, "{made_up}");
        }
    }

    fn system(name: &str) -> Caller {
        Caller::System(SystemCaller {
            name: name.to_owned(),
            organisation: "ZEX09".parse().unwrap(),
            rights: vec![Right::Query],
            known_by: "token",
        })
    }
}
