//! Whom the claims of an access token name.

use carerecord_access::{Assurance, Caller, CitizenCaller, Right, SystemCaller, UserCaller};
use carerecord_service::SignInProvider;
use serde::Deserialize;
use serde_json::Value;

use super::TokenError;

/// What every access token says. All but the first two may be missing.
#[derive(Debug, Deserialize)]
pub(super) struct Common {
    pub(super) sub: String,
    pub(super) exp: i64,
    pub(super) iat: Option<i64>,
    pub(super) auth_time: Option<i64>,
    pub(super) sid: Option<String>,
    #[serde(default)]
    client_id: String,
    #[serde(default)]
    name: String,
}

/// A citizen, in the claims of NHS login.
pub(super) fn citizen(
    provider: &SignInProvider,
    claims: &Value,
    common: Common,
) -> Result<Caller, TokenError> {
    Ok(Caller::Citizen(Box::new(CitizenCaller {
        user_id: provider.own(&common.sub),
        name: common.name,
        organisation: provider.organisation(claims).ok_or(TokenError::Invalid)?,
        number: provider.nhs_number(claims),
        proofing: provider.proofing(claims),
        client_id: common.client_id,
        session_id: common.sid.map(|sid| provider.own(&sid)),
        about: None,
    })))
}

/// The person of a provider whose claims mean what the configuration says.
pub(super) fn mapped(
    provider: &SignInProvider,
    claims: &Value,
    common: Common,
    selected: Option<&str>,
) -> Result<Caller, TokenError> {
    let roles = provider.roles(claims);
    let role = match (selected, roles.as_slice()) {
        (Some(id), all) => all.iter().find(|role| provider.role_id(role) == id).copied(),
        (None, [only]) => Some(*only),
        // Never the first of several: the person says which one.
        (None, _) => None,
    };
    let role = role.ok_or(TokenError::RoleNotSelected)?;
    Ok(Caller::User(Box::new(UserCaller {
        user_id: provider.own(&common.sub),
        name: common.name,
        organisation: provider.organisation(claims).ok_or(TokenError::Invalid)?,
        role: role.code.clone(),
        role_profile_id: provider.role_id(role),
        activities: Vec::new(),
        assurance: provider.assurance(claims),
        client_id: common.client_id,
        asserted: None,
        session_id: common.sid.map(|sid| provider.own(&sid)),
    })))
}

/// The claims of an access token, in the shape of CIS2. All but the first may be missing.
#[derive(Debug, Deserialize)]
pub(super) struct Claims {
    sub: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    acr: String,
    #[serde(default)]
    authentication_assurance_level: String,
    #[serde(default)]
    client_id: String,
    #[serde(default)]
    scope: String,
    selected_roleid: Option<String>,
    sid: Option<String>,
    #[serde(default)]
    nhsid_nrbac_roles: Vec<Role>,
    org_code: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
struct Role {
    person_roleid: String,
    org_code: String,
    #[serde(default)]
    role_code: String,
    #[serde(default)]
    activity_codes: Vec<String>,
}

/// Whether claims as JSON name a caller.
pub(crate) fn names_a_caller(json: &[u8]) -> bool {
    serde_json::from_slice::<Claims>(json).is_ok_and(|claims| claims.caller(None).is_ok())
}

impl Claims {
    pub(super) fn caller(self, selected: Option<&str>) -> Result<Caller, TokenError> {
        if self.nhsid_nrbac_roles.is_empty()
            && let Some(organisation) = &self.org_code
        {
            return self.system(organisation);
        }
        let roles = &self.nhsid_nrbac_roles;
        let chosen = self.selected_roleid.as_deref().or(selected);
        let role = match (chosen, roles.as_slice()) {
            (Some(id), _) => roles.iter().find(|r| r.person_roleid == id),
            (None, [only]) => Some(only),
            // Never the first of several: the person says which one.
            (None, _) => return Err(TokenError::RoleNotSelected),
        };
        let role = role.cloned().ok_or(TokenError::RoleNotSelected)?;
        let organisation = role.org_code.parse().map_err(|_| TokenError::Invalid)?;
        let job = role.role_code.rsplit(':').next().unwrap_or_default().to_owned();
        let stronger = Assurance::from_claim(&self.authentication_assurance_level);
        Ok(Caller::User(Box::new(UserCaller {
            user_id: self.sub,
            name: self.name,
            organisation,
            role: job,
            role_profile_id: role.person_roleid,
            activities: role.activity_codes,
            assurance: Assurance::from_claim(&self.acr).max(stronger),
            client_id: self.client_id,
            asserted: None,
            session_id: self.sid,
        })))
    }

    fn system(&self, organisation: &str) -> Result<Caller, TokenError> {
        let mut rights = Vec::new();
        let scopes = || self.scope.split(' ').filter_map(|s| s.strip_prefix("system/"));
        if scopes().any(|s| s.ends_with("read")) {
            rights.extend([Right::Query, Right::Retrieve]);
        }
        if scopes().any(|s| PUBLISH.contains(&s)) {
            rights.push(Right::Publish);
        }
        Ok(Caller::System(SystemCaller {
            name: self.client_id.clone(),
            organisation: organisation.parse().map_err(|_| TokenError::Invalid)?,
            rights,
            known_by: "token",
        }))
    }
}

/// What publishing needs: to write what a transaction of MHD makes.
const PUBLISH: [&str; 4] = ["*.write", "*.*", "DocumentReference.write", "DocumentReference.c"];
