use carerecord_model::{NhsNumber, OrganisationCode};
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, Validation, decode, decode_header};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use super::launcher::{Launcher, Launchers};
use crate::problem::LaunchFailure;

/// What a launch is about. No formatter prints it.
#[derive(Clone, Deserialize, Serialize)]
pub(crate) struct LaunchContext {
    /// The launching system's id and name.
    pub(crate) launcher: String,
    pub(crate) launcher_name: String,
    /// At which provider the person signs in, and their id there.
    pub(crate) sign_in: String,
    pub(crate) subject: String,
    /// The role that they act in at the launching system.
    pub(crate) role_profile: Option<String>,
    pub(crate) organisation: String,
    pub(crate) nhs_number: NhsNumber,
    pub(crate) family_name: String,
    pub(crate) birth_date: Date,
    pub(crate) return_url: Option<String>,
    /// Whether the person stays with this patient.
    pub(crate) patient_locked: bool,
    /// Whether the launching system shows who the patient is around the page.
    pub(crate) slim_banner: bool,
}

/// Why a launch is not taken. For the record: the sender is told less.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum LaunchError {
    #[error("there is no launch in it")]
    Missing,
    #[error("the launch cannot be read")]
    Malformed,
    #[error("the launch is signed by an algorithm that is not taken")]
    Algorithm,
    #[error("the launching system is not known")]
    UnknownLauncher,
    #[error("the launching system has no such key")]
    UnknownKey,
    #[error("the signature of the launch does not hold")]
    Signature,
    #[error("the launch is meant for somebody else")]
    Audience,
    #[error("the launch holds for too long")]
    TooLong,
    #[error("the launch has expired, or the clocks differ")]
    Expired,
    #[error("the launch is of a time that is yet to come: the clocks differ")]
    NotYet,
    #[error("the launch has been used before")]
    Replayed,
    #[error("the launching system may not name this organisation")]
    Organisation,
    #[error("the launch is not for care of the patient")]
    Purpose,
    #[error("the launch names no patient who can be")]
    Patient,
    #[error("the launch leads back to an address that is not the launching system's")]
    ReturnUrl,
    #[error("the launching system is not one that is asked for contexts")]
    NotAsked,
    #[error("the client assertion could not be signed")]
    Assertion,
    #[error("the launching system cannot be asked for the context")]
    Away,
    #[error("the launching system did not give the context")]
    NotGiven,
    #[error("the context breaks off, or is too long")]
    Broken,
    #[error("the launching system does not know the launch, or not any more")]
    NotKnown,
    #[error("the context is of another launching system")]
    OtherLauncher,
}

impl LaunchError {
    /// Whether it is the launching system that failed.
    pub(super) fn is_theirs(self) -> bool {
        LaunchFailure::from(self) == LaunchFailure::Away
    }
}

/// The claims. NHS: 7.
#[derive(Deserialize)]
struct Claims {
    iss: String,
    aud: Audience,
    iat: i64,
    exp: i64,
    jti: String,
    sub: String,
    role_profile: Option<String>,
    org: String,
    nhs_number: String,
    birth_date: String,
    family_name: String,
    purpose: Option<String>,
    return_url: Option<String>,
    need_patient_banner: Option<bool>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

/// A launch, its id, and until when that has to be remembered.
pub(super) type Taken = (LaunchContext, String, Timestamp);

impl Launchers {
    /// What a launch says that a known system has signed for this portal a moment ago.
    pub(super) fn read(
        &self,
        signed: &str,
        portal: &Url,
        now: Timestamp,
    ) -> Result<Taken, LaunchError> {
        if signed.len() > MAX_BYTES {
            return Err(LaunchError::Malformed);
        }
        // `none` is no algorithm that a header can have.
        let header = decode_header(signed).map_err(|_| LaunchError::Malformed)?;
        if !ALGORITHMS.contains(&header.alg) {
            return Err(LaunchError::Algorithm);
        }
        let is_one = header.typ.is_none_or(|kind| kind.eq_ignore_ascii_case("JWT"));
        if !is_one || header.crit.is_some() {
            return Err(LaunchError::Malformed);
        }
        let issuer = issuer_of(signed).ok_or(LaunchError::Malformed)?;
        let launcher = self.find(&issuer).ok_or(LaunchError::UnknownLauncher)?;
        let keys = launcher.keys.now(now);
        let key = keys.find(header.kid.as_deref(), header.alg).ok_or(LaunchError::UnknownKey)?;
        let mut validation = Validation::new(header.alg);
        validation.algorithms = vec![header.alg];
        // Times and audience are judged here, by our own clock.
        validation.validate_exp = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        let claims = match decode::<Claims>(signed, key, &validation) {
            Ok(token) => token.claims,
            Err(error) if matches!(error.kind(), ErrorKind::Json(_)) => {
                return Err(LaunchError::Malformed);
            }
            Err(_) => return Err(LaunchError::Signature),
        };
        if claims.iss != issuer {
            return Err(LaunchError::Malformed);
        }
        let until = in_time(&claims, now)?;
        check(claims, launcher, portal, until)
    }
}

/// Until when it has to be remembered that it was used.
fn in_time(claims: &Claims, now: Timestamp) -> Result<Timestamp, LaunchError> {
    let at = |second| Timestamp::from_second(second).map_err(|_| LaunchError::Malformed);
    let (made, ends) = (at(claims.iat)?, at(claims.exp)?);
    if ends.duration_since(made) > LONGEST {
        return Err(LaunchError::TooLong);
    }
    if made > now + SKEW {
        return Err(LaunchError::NotYet);
    }
    if now >= ends + SKEW {
        return Err(LaunchError::Expired);
    }
    Ok(ends + SKEW + SKEW)
}

fn check(
    claims: Claims,
    launcher: &Launcher,
    portal: &Url,
    until: Timestamp,
) -> Result<Taken, LaunchError> {
    let address = portal.as_str().trim_end_matches('/');
    let is_ours = |aud: &String| {
        let aud = aud.trim_end_matches('/');
        aud == address || aud.strip_prefix(address) == Some("/launch")
    };
    let ours = match &claims.aud {
        Audience::One(one) => is_ours(one),
        Audience::Many(many) => many.iter().any(is_ours),
    };
    if !ours {
        return Err(LaunchError::Audience);
    }
    let config = &launcher.config;
    let organisation: OrganisationCode =
        claims.org.parse().map_err(|_| LaunchError::Organisation)?;
    if !config.organisations.contains(&organisation) {
        return Err(LaunchError::Organisation);
    }
    let purposes = ["directcare", "direct-care", "TREAT"];
    if claims.purpose.is_some_and(|purpose| !purposes.contains(&purpose.as_str())) {
        return Err(LaunchError::Purpose);
    }
    let return_url = match claims.return_url {
        None => None,
        Some(text) => {
            let url: Url = text.parse().map_err(|_| LaunchError::ReturnUrl)?;
            Some(url)
                .filter(|url| config.is_own_page(url))
                .ok_or(LaunchError::ReturnUrl)
                .map(Some)?
        }
    };
    let too_long = |text: &str| text.trim().is_empty() || text.len() > MAX_TEXT;
    if too_long(&claims.sub) || too_long(&claims.jti) || too_long(&claims.family_name) {
        return Err(LaunchError::Malformed);
    }
    let context = LaunchContext {
        launcher: config.id.clone(),
        launcher_name: config.name.clone(),
        sign_in: config.sign_in.clone(),
        subject: claims.sub,
        role_profile: claims.role_profile,
        organisation: organisation.to_string(),
        nhs_number: claims.nhs_number.parse().map_err(|_| LaunchError::Patient)?,
        family_name: claims.family_name,
        birth_date: claims.birth_date.parse().map_err(|_| LaunchError::Patient)?,
        return_url: return_url.map(String::from),
        patient_locked: config.patient_locked,
        slim_banner: claims.need_patient_banner == Some(false),
    };
    Ok((context, claims.jti, until))
}

/// Who says that they have signed it, before anything of it is believed.
fn issuer_of(signed: &str) -> Option<String> {
    use base64::Engine as _;
    let claims = signed.split('.').nth(1)?;
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(claims).ok()?;
    let claims: Value = serde_json::from_slice(&bytes).ok()?;
    claims["iss"].as_str().map(str::to_owned)
}

const ALGORITHMS: [Algorithm; 6] = [
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
];
/// How far the clocks may differ.
const SKEW: SignedDuration = SignedDuration::from_secs(30);
const LONGEST: SignedDuration = SignedDuration::from_secs(60);
pub(super) const MAX_BYTES: usize = 8 << 10;
const MAX_TEXT: usize = 200;
