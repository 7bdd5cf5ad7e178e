use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use jsonwebtoken::{Validation, decode};
use serde_json::json;

use super::*;

#[test]
fn a_client_key_signs_by_its_kind_and_others_believe_it() {
    let folder = tempfile::tempdir().unwrap();
    let ec = |curve| EcdsaKeyPair::generate(curve).unwrap().to_pkcs8v1().unwrap();
    let rsa: Pkcs8V1Der<'_> = KeyPair::generate(KeySize::Rsa2048).unwrap().as_der().unwrap();
    for (name, der, algorithm) in [
        ("p256", ec(&ECDSA_P256_SHA256_FIXED_SIGNING).as_ref(), Algorithm::ES256),
        ("p384", ec(&ECDSA_P384_SHA384_FIXED_SIGNING).as_ref(), Algorithm::ES384),
        ("rsa", rsa.as_ref(), Algorithm::RS384),
    ] {
        let file = folder.path().join(name);
        fs::write(&file, pem(der)).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        let key = ClientKey::read(&file).unwrap();

        let signed = key.sign(&json!({"iss": "carerecord"})).unwrap();

        let header = jsonwebtoken::decode_header(&signed).unwrap();
        assert_eq!((header.alg, header.kid.as_deref()), (algorithm, Some(&*key.id)), "{name}");
        let mut public = Jwk::from_encoding_key(&key.signing, algorithm).unwrap();
        public.common.key_id.clone_from(&header.kid);
        let keys = ForeignKeys::from_value(&json!({ "keys": [public] })).unwrap();
        let mut validation = Validation::new(algorithm);
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        let found = keys.find(header.kid.as_deref(), algorithm).unwrap();
        assert!(decode::<Value>(&signed, found, &validation).is_ok(), "{name}");
    }
}

#[test]
fn what_is_no_client_key_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (key, set) = (folder.path().join("key"), folder.path().join("set.json"));
    make_key(&key, &set).unwrap();

    assert!(matches!(ClientKey::read(&set), Err(SigningKeyError::ReadByOthers { .. })));
    fs::set_permissions(&set, fs::Permissions::from_mode(0o600)).unwrap();
    assert!(matches!(ClientKey::read(&set), Err(SigningKeyError::NotAClientKey { .. })));
    assert!(ClientKey::read(&key).is_ok());
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(matches!(ClientKey::read(&key), Err(SigningKeyError::ReadByOthers { .. })));
    let missing = folder.path().join("missing");
    assert!(matches!(ClientKey::read(&missing), Err(SigningKeyError::File { .. })));
}
