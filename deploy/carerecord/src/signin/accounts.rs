use serde::Serialize;

/// A person who may be chosen on the sign-in page. Invented, always.
#[derive(Clone, Debug)]
pub struct Account {
    /// The twelve-digit id, `sub` and `nhsid_useruid` in tokens; of a citizen a UUID.
    pub user_id: String,
    /// e.g. `Dr`; empty for none.
    pub title: String,
    /// The given name.
    pub given_name: String,
    /// The family name.
    pub family_name: String,
    /// What the person is, in words for the sign-in page.
    pub description: String,
    /// What the person may act as; at least one of a member of staff.
    pub roles: Vec<Role>,
    /// The names of the organisations of the roles, as (code, name).
    pub organisations: Vec<(String, String)>,
    /// The `person_roleid` of the role the person works in; none if they have yet to choose.
    pub selected_role: Option<String>,
    /// What makes a citizen of the person.
    pub citizen: Option<CitizenAccount>,
}

/// What NHS login knows of a citizen.
#[derive(Clone, Debug)]
pub struct CitizenAccount {
    /// The NHS Number.
    pub nhs_number: &'static str,
    /// The day of birth, as in tokens.
    pub birthdate: &'static str,
    /// How surely it is known: `P9`, `P5`.
    pub proofing: &'static str,
}

impl Account {
    /// The name as people say it, e.g. `Dr Imogen Farrow`.
    pub fn spoken_name(&self) -> String {
        let name = format!("{} {} {}", self.title, self.given_name, self.family_name);
        name.trim_start().to_owned()
    }

    /// The name as CIS2 gives it, e.g. `Farrow Imogen Dr`.
    pub fn listed_name(&self) -> String {
        let name = format!("{} {} {}", self.family_name, self.given_name, self.title);
        name.trim_end().to_owned()
    }
}

/// A job role at an organisation, in the shape of a CIS2 `nhsid_nrbac_roles` entry.
#[derive(Clone, Debug, Serialize)]
pub struct Role {
    /// The organisation.
    pub org_code: String,
    /// The person at that organisation.
    pub person_orgid: String,
    /// The person in this role at that organisation.
    pub person_roleid: String,
    /// e.g. `S8000:G8000:R8000`.
    pub role_code: String,
    /// Three quoted parts, as CIS2 sends them.
    pub role_name: String,
    /// What the role may do, e.g. `B0360`.
    pub activity_codes: Vec<String>,
    /// The names of the activities, in the same order.
    pub activities: Vec<String>,
}

/// The people of the demo: one for each thing to try, at the demo's organisations.
pub fn demo_accounts() -> Vec<Account> {
    let gp = person(1, "Dr", "Imogen", "Farrow", "General practitioner");
    let consultant = person(2, "Dr", "Tomasz", "Wren", "Hospital consultant");
    let nurse = person(3, "", "Niamh", "Calloway", "Community nurse");
    let social_worker = person(4, "", "Gareth", "Pennant", "Social worker");
    let privacy_officer = person(5, "", "Leila", "Haddon", "Privacy officer");
    let clerk = person(6, "", "Desmond", "Oakley", "Administrative clerk");
    let two_roles = person(7, "Dr", "Priya", "Sandhurst", "Doctor with two roles");
    let regional = person(8, "", "Anwen", "Tregarth", "Privacy officer of the region");
    let support = person(9, "", "Callum", "Brisbane", "Service desk");
    let operator = person(10, "", "Maren", "Holloway", "Programme operator");
    vec![
        gp.with_role(SURGERY, "R0260", "General Medical Practitioner", &CARE).selected(),
        consultant.with_role(HOSPITAL, "R8000", CLINICIAN, &CARE).selected(),
        nurse.with_role(COMMUNITY, "R8001", "Nurse Access Role", &CARE).selected(),
        social_worker.with_role(COUNCIL, "R8014", "Social Worker Access Role", &CARE).selected(),
        privacy_officer.with_role(HOSPITAL, "R0001", "Privacy Officer", &PRIVACY).selected(),
        clerk.with_role(HOSPITAL, "R8010", "Clerical Access Role", &[]).selected(),
        two_roles.with_role(HOSPITAL, "R8000", CLINICIAN, &CARE).with_role(
            SURGERY,
            "R0270",
            "Salaried General Practitioner",
            &CARE,
        ),
        regional.with_role(REGION, "R0001", "Privacy Officer", &PRIVACY).selected(),
        support.with_role(REGION, "R8015", "Systems Support Access Role", &SUPPORT).selected(),
        operator.with_role(REGION, "R8013", "Health Records Manager", &SUPPORT).selected(),
    ]
}

/// The citizens of the demo, all of them in its patient index.
pub fn demo_citizens() -> Vec<Account> {
    let citizen = |number: u32, given: &str, family: &str, about: &str, citizen| Account {
        user_id: format!("6f2b6f5e-0c0f-4000-8000-{number:012}"),
        citizen: Some(citizen),
        ..person(0, "", given, family, about)
    };
    let known =
        |nhs_number, birthdate, proofing| CitizenAccount { nhs_number, birthdate, proofing };
    vec![
        citizen(
            1,
            "Ada",
            "Okafor",
            "Sees her own record: 999 000 1006",
            known("9990001006", "1945-07-14", "P9"),
        ),
        citizen(
            2,
            "Jo",
            "Quiet",
            "Sees her own record, 999 000 1103, and in the demo that of Tia Young, 999 000 1065, whom she cares for",
            known("9990001103", "1992-12-12", "P9"),
        ),
        citizen(
            3,
            "Lee",
            "Newman",
            "Has not shown who he is yet, so he sees nothing",
            known("9990001146", "1979-06-06", "P5"),
        ),
    ]
}

fn person(number: u32, title: &str, given: &str, family: &str, description: &str) -> Account {
    Account {
        user_id: format!("5550219{number:03}00"),
        title: title.to_owned(),
        given_name: given.to_owned(),
        family_name: family.to_owned(),
        description: description.to_owned(),
        roles: Vec::new(),
        organisations: Vec::new(),
        selected_role: None,
        citizen: None,
    }
}

impl Account {
    fn with_role(
        mut self,
        (org_code, org_name): (&str, &str),
        role: &str,
        role_name: &str,
        activities: &[(&str, &str)],
    ) -> Self {
        let stem = &self.user_id[..10];
        let number = self.roles.len() + 1;
        self.organisations.push((org_code.to_owned(), org_name.to_owned()));
        self.roles.push(Role {
            org_code: org_code.to_owned(),
            person_orgid: format!("{stem}{number}9"),
            person_roleid: format!("{stem}{number}1"),
            role_code: format!("S8000:G8000:{role}"),
            role_name: format!("\"Clinical\":\"Clinical Provision\":\"{role_name}\""),
            activity_codes: activities.iter().map(|(code, _)| (*code).to_owned()).collect(),
            activities: activities.iter().map(|(_, name)| (*name).to_owned()).collect(),
        });
        self
    }

    /// With the first role as the one the person works in.
    fn selected(mut self) -> Self {
        self.selected_role = self.roles.first().map(|role| role.person_roleid.clone());
        self
    }
}

const SURGERY: (&str, &str) = ("A20047", "Dr Legg's Surgery");
const HOSPITAL: (&str, &str) = ("ZEX01", "Royal Example Hospital");
const COMMUNITY: (&str, &str) = ("ZEX02", "Example Community Trust");
const COUNCIL: (&str, &str) = ("ZEX05", "Example Council");
const REGION: (&str, &str) = ("ZEX09", "Example Valley ICB");
const CLINICIAN: &str = "Clinical Practitioner Access Role";
const CARE: [(&str, &str); 4] = [
    ("B0360", "View Detailed Health Records"),
    ("B0370", "View Summary Record"),
    ("B0401", "View Patient Medication"),
    ("B0020", "Record Consent Preference"),
];
const PRIVACY: [(&str, &str); 4] = [
    ("B0011", "View Logs and Reports"),
    ("B0015", "Receive Legal Override and Emergency View Alerts"),
    ("B0017", "Receive SAR Refused Alerts"),
    ("B0020", "Record Consent Preference"),
];
const SUPPORT: [(&str, &str); 1] = [("B0062", "Local System Administration")];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_are_unique_and_selected_roles_exist() {
        let accounts = demo_accounts();

        let mut ids = HashSet::new();
        for account in &accounts {
            assert!(ids.insert(account.user_id.clone()));
            for role in &account.roles {
                assert_eq!(role.person_roleid.len(), 12);
                assert!(ids.insert(role.person_roleid.clone()));
            }
            if let Some(selected) = &account.selected_role {
                assert!(account.roles.iter().any(|role| role.person_roleid == *selected));
            }
        }
        assert_eq!(accounts.iter().filter(|account| account.selected_role.is_none()).count(), 1);
    }

    #[test]
    fn names_as_said_and_as_listed() {
        let accounts = demo_accounts();

        assert_eq!(accounts[0].spoken_name(), "Dr Imogen Farrow");
        assert_eq!(accounts[0].listed_name(), "Farrow Imogen Dr");
        assert_eq!(accounts[2].spoken_name(), "Niamh Calloway");
        assert_eq!(accounts[2].listed_name(), "Calloway Niamh");
    }
}
