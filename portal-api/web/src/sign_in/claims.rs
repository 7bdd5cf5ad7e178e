use carerecord_service::{MappedRole, SignInProvider};
use openidconnect::core::CoreGenderClaim;
use openidconnect::{AdditionalClaims, UserInfoClaims};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::session::Role;

pub(super) type CisUserInfo = UserInfoClaims<CisClaims, CoreGenderClaim>;

pub(super) type AnyUserInfo = UserInfoClaims<AnyClaims, CoreGenderClaim>;

/// What a provider tells beyond the standard claims.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct AnyClaims {
    #[serde(flatten)]
    all: serde_json::Map<String, Value>,
}

impl AdditionalClaims for AnyClaims {}

impl AnyClaims {
    /// The text of a claim.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.all.get(name)?.as_str()
    }
}

/// What the national provider tells beyond the standard claims. Everything may be missing.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub(super) struct CisClaims {
    title: Option<String>,
    selected_roleid: Option<String>,
    nhsid_nrbac_roles: Vec<NrbacRole>,
    nhsid_user_orgs: Vec<UserOrganisation>,
}

impl AdditionalClaims for CisClaims {}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
struct NrbacRole {
    org_code: String,
    person_roleid: String,
    role_name: String,
    role_code: String,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
struct UserOrganisation {
    org_code: String,
    org_name: String,
}

/// Who signed in, as pages show it.
pub(crate) struct Who {
    /// The name as people say it.
    pub(crate) name: String,
    /// The roles the person may act in.
    pub(crate) roles: Vec<Role>,
    /// The role selected at the provider, or the only one.
    pub(crate) acting_as: Option<String>,
}

impl Who {
    pub(super) fn new(claims: &CisUserInfo) -> Self {
        let more = claims.additional_claims();
        let roles: Vec<Role> = more
            .nhsid_nrbac_roles
            .iter()
            .filter(|role| !role.person_roleid.is_empty())
            .take(MAX_ROLES)
            .map(|role| more.role(role))
            .collect();
        let selected = more.selected_roleid.as_ref();
        let acting_as = match (selected.filter(|id| roles.iter().any(|r| r.id == **id)), &*roles) {
            (Some(id), _) => Some(id.clone()),
            (None, [only]) => Some(only.id.clone()),
            (None, _) => None,
        };
        Self { name: spoken_name(claims), roles, acting_as }
    }

    /// Of citizens, who act in no role.
    pub(super) fn citizen(claims: &AnyUserInfo) -> Self {
        let given = claims.given_name().and_then(|name| name.get(None)).map_or("", |n| n.as_str());
        let family =
            claims.family_name().and_then(|name| name.get(None)).map_or("", |n| n.as_str());
        let name = [given, family].map(str::trim).join(" ");
        let name = name.trim();
        let name = if name.is_empty() { "Signed in".to_owned() } else { bounded(name) };
        Self { name, roles: Vec::new(), acting_as: None }
    }

    /// Of a provider whose claims mean what the configuration says.
    pub(super) fn mapped(claims: &AnyUserInfo, provider: &SignInProvider) -> Self {
        let all = Value::Object(claims.additional_claims().all.clone());
        // For an organisation that the provider may not speak for nobody acts.
        let organisation = provider.organisation(&all);
        let role = |role: &MappedRole| {
            Some(Role {
                id: provider.role_id(role),
                name: bounded(&role.name),
                organisation: organisation.as_ref()?.to_string(),
                ods: organisation.as_ref()?.to_string(),
                code: role.code.clone(),
            })
        };
        let roles: Vec<Role> =
            provider.roles(&all).into_iter().take(MAX_ROLES).filter_map(role).collect();
        let acting_as = match roles.as_slice() {
            [only] => Some(only.id.clone()),
            _ => None,
        };
        let name = claims.name().and_then(|name| name.get(None)).map_or("", |n| n.as_str());
        let name = if name.is_empty() { "Signed in".to_owned() } else { bounded(name) };
        Self { name, roles, acting_as }
    }
}

impl CisClaims {
    fn role(&self, role: &NrbacRole) -> Role {
        let organisation = self.nhsid_user_orgs.iter().find(|o| o.org_code == role.org_code);
        let organisation = match organisation.filter(|o| !o.org_name.is_empty()) {
            Some(organisation) => sentence_case(&organisation.org_name),
            None => role.org_code.clone(),
        };
        // Three quoted parts; the last is the role itself.
        let name = role.role_name.rsplit("\":\"").next().unwrap_or_default().trim_matches('"');
        let code = role.role_code.rsplit(':').next().unwrap_or_default();
        let name = if name.is_empty() { code } else { name };
        let (id, code) = (role.person_roleid.clone(), bounded(code));
        let ods = bounded(&role.org_code);
        Role { id, name: bounded(name), organisation, ods, code }
    }
}

fn spoken_name(claims: &CisUserInfo) -> String {
    let title = claims.additional_claims().title.as_deref().unwrap_or_default();
    let given = claims.given_name().and_then(|name| name.get(None)).map_or("", |n| n.as_str());
    let family = claims.family_name().and_then(|name| name.get(None)).map_or("", |n| n.as_str());
    let whole = claims.name().and_then(|name| name.get(None)).map_or("", |n| n.as_str());
    let spoken = [title, given, family].map(str::trim).join(" ");
    let spoken = if family.is_empty() { whole } else { spoken.trim() };
    if spoken.is_empty() { "Signed in".to_owned() } else { bounded(spoken) }
}

/// Organisations come in capitals, which are hard to read.
fn sentence_case(name: &str) -> String {
    if name.chars().any(char::is_lowercase) {
        return bounded(name);
    }
    let words = name.split_whitespace().map(|word| match word {
        "NHS" | "ICB" | "GP" | "UK" => word.to_owned(),
        _ => {
            let mut letters = word.chars();
            let first = letters.next().map(String::from).unwrap_or_default();
            first + &letters.as_str().to_lowercase()
        }
    });
    bounded(&words.collect::<Vec<_>>().join(" "))
}

fn bounded(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(MAX_CHARS).collect()
}

const MAX_ROLES: usize = 50;
const MAX_CHARS: usize = 120;

#[cfg(test)]
mod tests {
    use super::*;

    fn who(json: &str) -> Who {
        let claims = CisUserInfo::from_json::<std::fmt::Error>(json.as_bytes(), None).unwrap();
        Who::new(&claims)
    }

    #[test]
    fn the_selected_role_is_the_one_acted_in() {
        let who = who(r#"{"sub":"1","given_name":"Ada","family_name":"Okafor","title":"Dr",
            "selected_roleid":"12","nhsid_nrbac_roles":[
            {"org_code":"ZEX01","person_roleid":"11","role_name":"\"C\":\"P\":\"Clerk\""},
            {"org_code":"ZEX02","person_roleid":"12","role_name":"\"C\":\"P\":\"Nurse\""}],
            "nhsid_user_orgs":[{"org_code":"ZEX01","org_name":"ROYAL EXAMPLE NHS TRUST"}]}"#);

        assert_eq!(who.name, "Dr Ada Okafor");
        assert_eq!(who.acting_as.as_deref(), Some("12"));
        assert_eq!(who.roles[0].name, "Clerk");
        assert_eq!(who.roles[0].organisation, "Royal Example NHS Trust");
        assert_eq!(who.roles[1].organisation, "ZEX02");
    }

    #[test]
    fn the_first_of_several_roles_is_never_picked() {
        let roles = r#""nhsid_nrbac_roles":[{"person_roleid":"11"},{"person_roleid":"12"}]"#;

        let none = who(&format!(r#"{{"sub":"1",{roles}}}"#));
        let strange = who(&format!(r#"{{"sub":"1","selected_roleid":"99",{roles}}}"#));
        let nothing = who(r#"{"sub":"1"}"#);

        assert_eq!((none.acting_as, none.roles.len()), (None, 2));
        assert_eq!(strange.acting_as, None);
        assert_eq!((nothing.acting_as, nothing.name.as_str()), (None, "Signed in"));
    }
}
