//! A sign-in provider beside the first one: of staff, where its claims do not speak as the national
//! ones do, which of them say who somebody is, and for whom it may speak; or of citizens, in the shape
//! of NHS login. NHS: 3.5, 3.8.

use std::collections::BTreeMap;

use carerecord_access::{Assurance, Proofing};
use carerecord_model::{NhsNumber, OrganisationCode};
use serde::Deserialize;
use serde_json::Value;

use crate::SecretFile;

/// A `[[portal.sign_in]]`: a provider of OpenID Connect beside the first one.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignInProvider {
    /// A short name: in addresses, and before its people's ids, so that they are nobody else's.
    pub id: String,
    /// Its name on the sign-in page.
    pub name: String,
    /// Whom it signs in.
    #[serde(default)]
    pub kind: ProviderKind,
    /// `iss` of its tokens.
    pub issuer: String,
    /// The name under which it knows the web portal.
    pub client_id: String,
    /// A file with the secret that goes with it; none for a public client.
    pub client_secret_file: Option<SecretFile>,
    /// `aud` of its access tokens.
    #[serde(default = "audience")]
    pub audience: String,
    /// What is asked for besides `openid`.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// `acr_values` of the request: how surely the person must be known.
    pub acr_values: Option<String>,
    /// Of citizens: the vectors of trust that are asked for, and that alone are strong enough.
    #[serde(default = "vectors")]
    pub vtr: Vec<String>,
    /// The organisations that it may speak for; of citizens the one that offers records to them.
    pub organisations: Vec<OrganisationCode>,
    /// Which claims of staff mean what.
    pub claims: Option<ClaimsMapping>,
}

/// Whom a provider signs in.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub enum ProviderKind {
    /// Members of staff, in a role.
    #[default]
    Staff,
    /// Citizens, by their NHS Number.
    Citizen,
}

/// `claims` of a `[[portal.sign_in]]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClaimsMapping {
    /// The claim that names the organisation; unless given it is the only one of `organisations`.
    pub organisation: Option<String>,
    /// ODS codes of what stands there, where that is none.
    #[serde(default)]
    pub organisation_codes: BTreeMap<String, OrganisationCode>,
    /// The claim with the role, or with several roles or groups.
    pub role: String,
    /// The job roles of what stands there; anything else is none.
    pub roles: Vec<MappedRole>,
    /// How strong a sign-in is, by `acr`, beside the levels of the national provider.
    #[serde(default)]
    pub assurance: BTreeMap<String, Assurance>,
}

/// A job role.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct MappedRole {
    /// What stands in the claim.
    pub value: String,
    /// The role that the access rules know.
    pub code: String,
    /// Its name for people.
    pub name: String,
}

impl SignInProvider {
    /// Checks that it can be told from others, and says who its people are.
    ///
    /// # Errors
    /// What is wrong.
    pub fn validate(&self) -> Result<(), String> {
        let is_id = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
        if self.id.is_empty() || self.id.len() > 32 || !self.id.bytes().all(is_id) {
            return Err("id is 1 to 32 of a-z, 0-9 and -".to_owned());
        }
        if self.id == FIRST {
            return Err(format!("the id {FIRST} is that of the first provider"));
        }
        if self.name.trim().is_empty() {
            return Err("name is empty".to_owned());
        }
        if self.organisations.is_empty() {
            return Err("organisations names none".to_owned());
        }
        match (self.kind, &self.claims) {
            (ProviderKind::Citizen, Some(_)) => {
                Err("claims are those of NHS login for citizens".to_owned())
            }
            (ProviderKind::Citizen, None) if self.organisations.len() > 1 => {
                Err("organisations: one offers records to citizens".to_owned())
            }
            (ProviderKind::Citizen, None) if self.vtr.is_empty() => {
                Err("vtr names no vector of trust".to_owned())
            }
            (ProviderKind::Citizen, None) => Ok(()),
            (ProviderKind::Staff, None) => Err("claims is missing".to_owned()),
            (ProviderKind::Staff, Some(claims)) => claims.validate(self.organisations.len()),
        }
    }

    /// Whether it signs in citizens.
    pub fn is_for_citizens(&self) -> bool {
        self.kind == ProviderKind::Citizen
    }

    /// The number of a citizen; `None` of one who has not shown it.
    pub fn nhs_number(&self, claims: &Value) -> Option<NhsNumber> {
        claims["nhs_number"].as_str()?.parse().ok()
    }

    /// How surely a citizen is who they say: as surely as both claims say it, and not surely where they
    /// did not sign in as it was asked for.
    pub fn proofing(&self, claims: &Value) -> Proofing {
        let level = |name: &str| claims[name].as_str().and_then(Proofing::from_code);
        let proven = level("identity_proofing_level").unwrap_or(Proofing::P0);
        let proven = proven.min(level("vot").unwrap_or(Proofing::P0));
        let strong = claims["vot"].as_str().is_some_and(|vot| self.vtr.iter().any(|v| v == vot));
        if strong { proven } else { proven.min(Proofing::P5) }
    }

    /// Its issuer as tokens name it.
    pub fn issuer(&self) -> &str {
        self.issuer.trim_end_matches('/')
    }

    /// An id of the provider's as it is nobody else's.
    pub fn own(&self, id: &str) -> String {
        format!("{}:{id}", self.id)
    }

    /// The organisation that somebody acts for; `None` when the claims name none for which the
    /// provider may speak.
    pub fn organisation(&self, claims: &Value) -> Option<OrganisationCode> {
        let mapping = self.claims.as_ref();
        let Some((mapping, claim)) = mapping.and_then(|m| Some((m, m.organisation.as_ref()?)))
        else {
            return self.organisations.first().cloned();
        };
        let named = claims[claim.as_str()].as_str()?;
        let code = mapping.organisation_codes.get(named).cloned();
        let code = code.or_else(|| named.parse().ok())?;
        self.organisations.contains(&code).then_some(code)
    }

    /// The job roles that somebody has, in the order of the configuration.
    pub fn roles(&self, claims: &Value) -> Vec<&MappedRole> {
        let Some(mapping) = &self.claims else { return Vec::new() };
        let claim = &claims[mapping.role.as_str()];
        let has = |value: &str| match claim.as_array() {
            Some(all) => all.iter().any(|one| one == value),
            None => claim == value,
        };
        mapping.roles.iter().filter(|role| has(&role.value)).collect()
    }

    /// The id of a role profile.
    pub fn role_id(&self, role: &MappedRole) -> String {
        self.own(&role.value)
    }

    /// How surely the person is who they say.
    pub fn assurance(&self, claims: &Value) -> Assurance {
        let class = claims["acr"].as_str().unwrap_or_default();
        let known = self.claims.as_ref().and_then(|claims| claims.assurance.get(class)).copied();
        known.unwrap_or_else(|| Assurance::from_claim(class))
    }
}

impl ClaimsMapping {
    fn validate(&self, organisations: usize) -> Result<(), String> {
        if self.organisation.is_none() && organisations > 1 {
            return Err("claims.organisation is missing: there are several".to_owned());
        }
        if self.roles.is_empty() {
            return Err("claims.roles names none".to_owned());
        }
        Ok(())
    }
}

/// The id of the first provider, in addresses.
pub const FIRST: &str = "staff";

/// Proven by documents, with two factors or a passkey.
fn vectors() -> Vec<String> {
    ["P9.Cp.Cd", "P9.Cp.Ck", "P9.Cm"].map(str::to_owned).to_vec()
}

fn audience() -> String {
    "carerecord-api".to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn provider() -> SignInProvider {
        serde_json::from_value(json!({
            "id": "council", "name": "Example Council", "issuer": "https://login.council.example/",
            "client_id": "carerecord", "organisations": ["ZEX05", "ZEX06"],
            "claims": {
                "organisation": "dept", "organisation_codes": {"adult-care": "ZEX05"},
                "role": "groups", "assurance": {"urn:mfa": "AAL2"},
                "roles": [{"value": "sw", "code": "R8014", "name": "Social worker"},
                    {"value": "po", "code": "R0001", "name": "Privacy officer"}],
            },
        }))
        .unwrap()
    }

    #[test]
    fn claims_mean_what_is_configured_and_nothing_else() {
        let council = provider();
        let organisation = |dept: Value| council.organisation(&json!({ "dept": dept }));
        let roles = |groups: Value| -> Vec<String> {
            let claims = json!({ "groups": groups });
            council.roles(&claims).into_iter().map(|role| role.code.clone()).collect()
        };

        assert_eq!(organisation(json!("adult-care")), "ZEX05".parse().ok());
        assert_eq!(organisation(json!("ZEX06")), "ZEX06".parse().ok());
        for none in [json!("ZEX01"), json!("parks"), json!(["ZEX05"]), json!(null)] {
            assert_eq!(organisation(none.clone()), None, "{none}");
        }
        assert_eq!(roles(json!("sw")), ["R8014"]);
        assert_eq!(roles(json!(["po", "x", "sw", "sw"])), ["R8014", "R0001"]);
        assert!(roles(json!("swpo")).is_empty() && roles(json!({"sw": true})).is_empty());
        assert_eq!(council.assurance(&json!({"acr": "urn:mfa"})), Assurance::Aal2);
        assert_eq!(council.assurance(&json!({"acr": "gold"})), Assurance::Aal1);
        assert_eq!(council.own("1"), "council:1");
        assert_eq!(council.issuer(), "https://login.council.example");
    }

    #[test]
    fn a_provider_that_says_too_little_is_refused() {
        let wrong = |change: fn(&mut SignInProvider)| {
            let mut council = provider();
            change(&mut council);
            council.validate().is_err()
        };

        assert!(provider().validate().is_ok());
        assert!(wrong(|p| p.id = "Council".to_owned()));
        assert!(wrong(|p| p.id = FIRST.to_owned()));
        assert!(wrong(|p| p.name = " ".to_owned()));
        assert!(wrong(|p| p.organisations.clear()));
        let organisation = |p: &mut SignInProvider| p.claims.as_mut().unwrap().organisation = None;
        assert!(wrong(organisation), "of several none is meant");
        assert!(wrong(|p| p.claims.as_mut().unwrap().roles.clear()));
        assert!(wrong(|p| p.claims = None));
        assert!(wrong(|p| p.kind = ProviderKind::Citizen), "with claims of staff");
    }

    #[test]
    fn a_citizen_is_as_sure_as_all_claims_together_say() {
        let login: SignInProvider = serde_json::from_value(json!({
            "id": "nhs-login", "name": "NHS login", "kind": "citizen", "client_id": "carerecord",
            "issuer": "https://login.example", "organisations": ["ZEX09"],
        }))
        .unwrap();
        let proofing = |level: Value, vot: Value| {
            login.proofing(&json!({"identity_proofing_level": level, "vot": vot}))
        };

        assert_eq!(login.validate(), Ok(()));
        assert_eq!(proofing(json!("P9"), json!("P9.Cp.Cd")), Proofing::P9);
        assert_eq!(proofing(json!("P9"), json!("P9.Cp")), Proofing::P5, "a password alone");
        assert_eq!(proofing(json!("P9"), json!("P5.Cp.Cd")), Proofing::P5);
        assert_eq!(proofing(json!("P5"), json!("P9.Cp.Cd")), Proofing::P5);
        assert_eq!(proofing(json!("P9"), json!(null)), Proofing::P0);
        assert_eq!(proofing(json!(9), json!("P9.Cp.Cd")), Proofing::P0);
        let number = |number: Value| login.nhs_number(&json!({ "nhs_number": number }));
        assert_eq!(number(json!("9990001006")), "9990001006".parse().ok());
        for none in [json!("9990001007"), json!(9990001006_u64), json!(null)] {
            assert_eq!(number(none.clone()), None, "{none}");
        }
        let wrong = |change: fn(&mut SignInProvider)| {
            let mut login = login.clone();
            change(&mut login);
            login.validate().is_err()
        };
        assert!(wrong(|p| p.organisations.push("ZEX01".parse().unwrap())));
        assert!(wrong(|p| p.vtr.clear()));
    }
}
