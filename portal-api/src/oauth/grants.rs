//! What people have let apps do, in the portal's database: for every copy of the portal.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use carerecord_access::{
    Asserted, AssertedPatient, Assurance, Caller, Purpose, Right, SystemCaller, UserCaller,
};
use carerecord_model::{NhsNumber, OrganisationCode};
use carerecord_service::SignIn;
use carerecord_storage::{Connection, Database, StoreError, sql};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::client::Client;
use super::error::GrantError;
use super::issue::system;

/// What a person has let an app do. It has no `Debug`: it names a patient.
#[derive(Clone, Deserialize, Serialize)]
pub(super) struct Granted {
    pub client_id: String,
    pub redirect_uri: String,
    /// PKCE, S256. RFC 7636: 4.2.
    pub challenge: String,
    pub scope: String,
    pub purpose: Purpose,
    /// About whom alone.
    pub patient: Option<GrantedPatient>,
    pub person: GrantedPerson,
    /// The last instant at which the code is taken.
    pub code_until: Timestamp,
}

#[derive(Clone, Deserialize, Serialize)]
pub(super) struct GrantedPatient {
    pub number: NhsNumber,
    /// As the API names them to the person.
    pub id: String,
}

/// Who has agreed, in the role acted in, and by which sign-in.
#[derive(Clone, Deserialize, Serialize)]
pub(super) struct GrantedPerson {
    user_id: String,
    name: String,
    organisation: OrganisationCode,
    role: String,
    role_profile_id: String,
    activities: Vec<String>,
    assurance: Assurance,
    session_id: Option<String>,
    issuer: String,
    subject: String,
    provider_session_id: Option<String>,
    since: Timestamp,
}

impl GrantedPerson {
    pub fn new(user: &UserCaller, sign_in: &SignIn) -> Self {
        Self {
            user_id: user.user_id.clone(),
            name: user.name.clone(),
            organisation: user.organisation.clone(),
            role: user.role.clone(),
            role_profile_id: user.role_profile_id.clone(),
            activities: user.activities.clone(),
            assurance: user.assurance,
            session_id: user.session_id.clone(),
            issuer: sign_in.issuer.clone(),
            subject: sign_in.subject.clone(),
            provider_session_id: sign_in.session_id.clone(),
            since: sign_in.since,
        }
    }

    pub fn user_id(&self) -> &str {
        &self.user_id
    }

    pub fn organisation(&self) -> &OrganisationCode {
        &self.organisation
    }

    pub fn sign_in(&self) -> SignIn {
        SignIn {
            issuer: self.issuer.clone(),
            subject: self.subject.clone(),
            session_id: self.provider_session_id.clone(),
            since: self.since,
        }
    }
}

impl Granted {
    /// The person as they come by the app: like one whom a system asserts, who can do no more than
    /// read, for this purpose, and about this patient. What they have opened with a reason, or have
    /// claimed, stays theirs and does not come with them.
    pub fn caller(&self, client: &Client, issuer: &str, id: &str) -> Caller {
        let person = self.person.clone();
        let patient = self.patient.as_ref();
        let rights = vec![Right::Query, Right::Retrieve];
        Caller::User(Box::new(UserCaller {
            user_id: person.user_id,
            name: person.name,
            organisation: person.organisation,
            role: person.role,
            role_profile_id: person.role_profile_id,
            activities: person.activities,
            assurance: person.assurance,
            client_id: client.id.clone(),
            session_id: person.session_id,
            asserted: Some(Box::new(Asserted {
                issuer: issuer.to_owned(),
                assertion_id: id.to_owned(),
                alias: None,
                purpose: Some(self.purpose),
                patient: patient.map_or(AssertedPatient::Any, |p| AssertedPatient::Only(p.number)),
                organisation_name: None,
                home_community_id: None,
                identifiers: Vec::new(),
                consent: Vec::new(),
                opened: None,
                system: SystemCaller { rights, ..system(client) },
            })),
        }))
    }

    /// Whether who shows the code may have the token. RFC 6749: 4.1.3; RFC 7636: 4.6.
    pub fn judge(&self, shown: &Shown<'_>, now: Timestamp) -> Result<(), GrantError> {
        if self.client_id != shown.client_id {
            return Err(GrantError::OtherClient);
        }
        if now > self.code_until {
            return Err(GrantError::Expired);
        }
        if self.redirect_uri != shown.redirect_uri {
            return Err(GrantError::OtherRedirectUri);
        }
        if challenge(shown.verifier).as_deref() != Some(&self.challenge) {
            return Err(GrantError::Verifier);
        }
        Ok(())
    }
}

/// What comes with a code.
pub(super) struct Shown<'a> {
    pub client_id: &'a str,
    pub redirect_uri: &'a str,
    pub verifier: &'a str,
}

/// The challenge of a verifier, S256; `None` of what is no verifier. RFC 7636: 4.1, 4.2.
pub(super) fn challenge(verifier: &str) -> Option<String> {
    let unreserved = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    let is_one = (43..=128).contains(&verifier.len()) && verifier.bytes().all(unreserved);
    is_one.then(|| URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes())))
}

/// Whether it can be the S256 challenge of anything.
pub(super) fn is_challenge(text: &str) -> bool {
    URL_SAFE_NO_PAD.decode(text).is_ok_and(|bytes| bytes.len() == 32)
}

/// What people have let apps do.
pub(super) struct Grants(Database);

impl Grants {
    pub fn new(database: Database) -> Self {
        Self(database)
    }

    /// Keeps what a code is good for; `id` is that of the token to come.
    pub async fn keep(
        &self,
        id: Uuid,
        code: &str,
        granted: &Granted,
        kept_until: Timestamp,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let text = serde_json::to_string(granted).expect("it is text and numbers");
        let sweep = sql(SWEEP).bind(now.as_millisecond());
        let keep = sql(KEEP).bind(id).bind(hash(code)).bind(text);
        let keep = keep.bind(kept_until.as_millisecond());
        let kept = self.0.write(move |c: &mut Connection| {
            Box::pin(async move {
                sweep.run(&mut *c).await?;
                keep.run(c).await?;
                Ok::<_, StoreError>(())
            })
        });
        kept.await
    }

    /// Uses a code up. Shown again it takes back the token that was given for it: one of the two who
    /// had it has stolen it. RFC 6749: 4.1.2; RFC 9700: 4.2.4.
    pub async fn take(
        &self,
        code: &str,
        now: Timestamp,
    ) -> Result<Result<(Uuid, Granted), GrantError>, StoreError> {
        let (hash, now) = (hash(code), now.as_millisecond());
        let sweep = sql(SWEEP).bind(now);
        let mark = sql(USE).bind(hash.clone()).bind(now);
        let find = sql(FIND).bind(hash.clone());
        let revoke = sql(REVOKE).bind(hash).bind(now);
        let taken = self.0.write(move |c: &mut Connection| {
            Box::pin(async move {
                sweep.run(&mut *c).await?;
                if mark.run(&mut *c).await? == 1 {
                    return Ok(find
                        .first::<(Vec<u8>, String)>(c)
                        .await?
                        .ok_or(GrantError::Unknown));
                }
                let again = revoke.run(c).await? == 1;
                Ok::<_, StoreError>(Err(if again {
                    GrantError::Replayed
                } else {
                    GrantError::Unknown
                }))
            })
        });
        Ok(taken.await?.and_then(|(id, text)| read(&id, &text).ok_or(GrantError::Unknown)))
    }

    /// What a token is given for, unless it has been taken back.
    pub async fn of_token(&self, id: Uuid) -> Result<Option<Granted>, StoreError> {
        let found: Option<(Vec<u8>, String)> = sql(OF_TOKEN).bind(id).first(&self.0).await?;
        Ok(found.and_then(|(id, text)| read(&id, &text)).map(|(_, granted)| granted))
    }
}

fn read(id: &[u8], text: &str) -> Option<(Uuid, Granted)> {
    Some((Uuid::from_slice(id).ok()?, serde_json::from_str(text).ok()?))
}

/// A code has 244 random bits: a plain hash keeps it from who reads the database.
fn hash(code: &str) -> Vec<u8> {
    digest(&SHA256, code.as_bytes()).as_ref().to_vec()
}

/// How long a code is good.
pub(super) const CODE_LIFE: SignedDuration = SignedDuration::from_secs(60);
const SWEEP: &str = "DELETE FROM app_grant WHERE kept_until < $1";
const KEEP: &str = "
    INSERT INTO app_grant (id, code_hash, granted, kept_until) VALUES ($1, $2, $3, $4)";
const USE: &str = "UPDATE app_grant SET used_at = $2 WHERE code_hash = $1 AND used_at IS NULL";
const FIND: &str = "SELECT id, granted FROM app_grant WHERE code_hash = $1";
const REVOKE: &str = "
    UPDATE app_grant SET revoked_at = COALESCE(revoked_at, $2) WHERE code_hash = $1";
const OF_TOKEN: &str = "
    SELECT id, granted FROM app_grant
    WHERE id = $1 AND used_at IS NOT NULL AND revoked_at IS NULL";
