//! Assertions with real signatures, as an X-Assertion Provider makes them.

use std::fmt::Write;

use bergshamra_dsig::DsigContext;
use bergshamra_keys::KeysManager;
use bergshamra_keys::loader::load_pem_auto;
use jiff::{SignedDuration, Timestamp};
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256, RsaKeySize};

/// Whoever signs assertions.
pub struct Provider {
    /// Its entity id.
    pub issuer: String,
    /// Its certificate.
    pub certificate_pem: String,
    /// The same in DER.
    pub certificate_der: Vec<u8>,
    /// Its key.
    pub key_pem: String,
    /// The algorithm that its key signs with.
    pub algorithm: &'static str,
}

/// What an assertion says. [`Claims::new`] gives one that is accepted.
#[derive(Clone)]
pub struct Claims {
    /// The assertion's id.
    pub id: String,
    /// When it was issued.
    pub issued: Timestamp,
    /// Seconds from the issue to its begin.
    pub begins: i64,
    /// Seconds from the issue to its end.
    pub ends: i64,
    /// For whom it is.
    pub audience: String,
    /// The user.
    pub name_id: String,
    /// The elements of the subject's confirmation.
    pub confirmation: String,
    /// More conditions, as they stand.
    pub conditions: String,
    /// How the user has signed in.
    pub authn_context: String,
    /// Attributes: name, and the value as it stands.
    pub attributes: Vec<(String, String)>,
    /// The digest.
    pub digest: &'static str,
}

impl Claims {
    /// A clinician of ZEX01 with a smartcard, for a minute before and five after now.
    pub fn new(id: &str, audience: &str, now: Timestamp) -> Self {
        let coded = |element: &str, code: &str, system: &str| {
            format!(
                "<{element} xmlns=\"urn:hl7-org:v3\" xmlns:xsi=\"{XSI}\" xsi:type=\"CE\" \
                 code=\"{code}\" codeSystem=\"{system}\"/>"
            )
        };
        let ods = "https://fhir.nhs.uk/Id/ods-organization-code/ZEX01";
        let attributes = [
            ("urn:oasis:names:tc:xspa:1.0:subject:subject-id", "Ada Okafor".to_owned()),
            ("urn:oasis:names:tc:xspa:1.0:subject:organization-id", ods.to_owned()),
            (ROLE, coded("Role", "R8000", "1.2.826.0.1285.0.2.1.104")),
            (PURPOSE, coded("PurposeOfUse", "TREAT", "2.16.840.1.113883.5.8")),
        ];
        Self {
            id: id.to_owned(),
            issued: now,
            begins: -60,
            ends: 300,
            audience: audience.to_owned(),
            name_id: "555021935107".to_owned(),
            confirmation: BEARER.to_owned(),
            conditions: String::new(),
            authn_context: "urn:oasis:names:tc:SAML:2.0:ac:classes:SmartcardPKI".to_owned(),
            attributes: attributes.map(|(name, value)| (name.to_owned(), value)).into(),
            digest: "http://www.w3.org/2001/04/xmlenc#sha256",
        }
    }

    /// The same with another value of an attribute, which is added where it is not there.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.attributes.retain(|(n, _)| n != name);
        self.attributes.push((name.to_owned(), value.to_owned()));
        self
    }
}

impl Provider {
    /// With an RSA key of 2,048 bits.
    pub fn new(issuer: &str) -> Self {
        let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
        Self::with_key(issuer, &key, "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256")
    }

    /// With a key on P-256.
    pub fn on_p256(issuer: &str) -> Self {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        Self::with_key(issuer, &key, "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256")
    }

    fn with_key(issuer: &str, key: &KeyPair, algorithm: &'static str) -> Self {
        let params = CertificateParams::new(["sts.example".to_owned()]).unwrap();
        let certificate = params.self_signed(key).unwrap();
        Self {
            issuer: issuer.to_owned(),
            certificate_pem: certificate.pem(),
            certificate_der: certificate.der().to_vec(),
            key_pem: key.serialize_pem(),
            algorithm,
        }
    }

    /// The assertion with an empty signature.
    pub fn template(&self, claims: &Claims) -> String {
        let at = |seconds: i64| {
            let time = claims.issued + SignedDuration::from_secs(seconds);
            time.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
        };
        let mut attributes = String::new();
        for (name, value) in &claims.attributes {
            write!(
                attributes,
                "<saml2:Attribute Name=\"{name}\"><saml2:AttributeValue>{value}\
                 </saml2:AttributeValue></saml2:Attribute>"
            )
            .unwrap();
        }
        format!(
            "<saml2:Assertion xmlns:saml2=\"{SAML}\" xmlns:xs=\"http://www.w3.org/2001/XMLSchema\" \
             ID=\"{id}\" IssueInstant=\"{issued}\" Version=\"2.0\"><saml2:Issuer>{issuer}\
             </saml2:Issuer>{signature}<saml2:Subject><saml2:NameID SPProvidedID=\"portal\">{name}\
             </saml2:NameID>{confirmation}</saml2:Subject><saml2:Conditions NotBefore=\"{begin}\" \
             NotOnOrAfter=\"{end}\"><saml2:AudienceRestriction><saml2:Audience>{audience}\
             </saml2:Audience></saml2:AudienceRestriction>{conditions}</saml2:Conditions>\
             <saml2:AuthnStatement AuthnInstant=\"{issued}\"><saml2:AuthnContext>\
             <saml2:AuthnContextClassRef>{context}</saml2:AuthnContextClassRef>\
             </saml2:AuthnContext></saml2:AuthnStatement><saml2:AttributeStatement>{attributes}\
             </saml2:AttributeStatement></saml2:Assertion>",
            id = claims.id,
            issued = at(0),
            issuer = self.issuer,
            signature = self.signature(&claims.id, claims.digest),
            name = claims.name_id,
            confirmation = claims.confirmation,
            begin = at(claims.begins),
            end = at(claims.ends),
            audience = claims.audience,
            conditions = claims.conditions,
            context = claims.authn_context,
        )
    }

    /// An empty signature of the element with this id.
    pub fn signature(&self, id: &str, digest: &str) -> String {
        format!(
            "<ds:Signature xmlns:ds=\"{DSIG}\"><ds:SignedInfo><ds:CanonicalizationMethod \
             Algorithm=\"{C14N}\"/><ds:SignatureMethod Algorithm=\"{}\"/><ds:Reference URI=\"#{id}\">\
             <ds:Transforms><ds:Transform Algorithm=\"{DSIG}enveloped-signature\"/><ds:Transform \
             Algorithm=\"{C14N}\"><ec:InclusiveNamespaces xmlns:ec=\"{C14N}\" PrefixList=\"xs\"/>\
             </ds:Transform></ds:Transforms><ds:DigestMethod Algorithm=\"{digest}\"/>\
             <ds:DigestValue></ds:DigestValue></ds:Reference></ds:SignedInfo>\
             <ds:SignatureValue></ds:SignatureValue></ds:Signature>",
            self.algorithm
        )
    }

    /// Fills in the first signature of a text, which is empty.
    pub fn sign_template(&self, template: &str) -> String {
        let mut keys = KeysManager::new();
        keys.add_key(load_pem_auto(self.key_pem.as_bytes(), None).unwrap());
        bergshamra_dsig::sign::sign(&DsigContext::new_permissive(keys), template).unwrap()
    }

    /// An empty signature of the elements with these ids, for whoever signs a message.
    pub fn message_signature(&self, ids: &[&str]) -> String {
        let references: String = ids.iter().map(|id| {
            format!(
                "<ds:Reference URI=\"#{id}\"><ds:Transforms><ds:Transform Algorithm=\"{C14N}\"/>\
                 </ds:Transforms><ds:DigestMethod \
                 Algorithm=\"http://www.w3.org/2001/04/xmlenc#sha256\"/><ds:DigestValue>\
                 </ds:DigestValue></ds:Reference>"
            )
        }).collect();
        format!(
            "<ds:Signature xmlns:ds=\"{DSIG}\"><ds:SignedInfo><ds:CanonicalizationMethod \
             Algorithm=\"{C14N}\"/><ds:SignatureMethod Algorithm=\"{}\"/>{references}\
             </ds:SignedInfo><ds:SignatureValue></ds:SignatureValue></ds:Signature>",
            self.algorithm
        )
    }

    /// A signed assertion.
    pub fn sign(&self, claims: &Claims) -> String {
        self.sign_template(&self.template(claims))
    }
}

/// A Security header with what is given in it.
pub fn security(content: &str) -> String {
    format!("<wsse:Security xmlns:wsse=\"{WSSE}\" s:mustUnderstand=\"1\">{content}</wsse:Security>")
}

/// A message with one more header; `s` is its prefix for SOAP.
pub fn with_header(envelope: &str, header: &str) -> String {
    assert!(envelope.contains("</s:Header>"), "the envelope has headers");
    envelope.replacen("</s:Header>", &format!("{header}</s:Header>"), 1)
}

/// A confirmation by a key: the content of a `ds:KeyInfo`.
pub fn holder_of_key(key_info: &str) -> String {
    format!(
        "<saml2:SubjectConfirmation Method=\"urn:oasis:names:tc:SAML:2.0:cm:holder-of-key\">\
         <saml2:SubjectConfirmationData><ds:KeyInfo xmlns:ds=\"{DSIG}\">{key_info}</ds:KeyInfo>\
         </saml2:SubjectConfirmationData></saml2:SubjectConfirmation>"
    )
}

/// A confirmation by bearing.
pub const BEARER: &str =
    "<saml2:SubjectConfirmation Method=\"urn:oasis:names:tc:SAML:2.0:cm:bearer\"/>";
/// The attribute of the role.
pub const ROLE: &str = "urn:oasis:names:tc:xacml:2.0:subject:role";
/// The attribute of the purpose.
pub const PURPOSE: &str = "urn:oasis:names:tc:xspa:1.0:subject:purposeofuse";
const SAML: &str = "urn:oasis:names:tc:SAML:2.0:assertion";
const DSIG: &str = "http://www.w3.org/2000/09/xmldsig#";
const C14N: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";
const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";
const WSSE: &str =
    "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd";
