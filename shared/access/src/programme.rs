//! Who may see how the programme runs: agreements, feeds, nodes, codes. Nothing of it is about a
//! patient. nhs.md 6, 8.

use crate::{AccessDecisions, Caller, Decision, Purpose, Refused, Right, Rule};

impl AccessDecisions {
    /// Whether somebody may see how feeds and nodes do: who runs the programme.
    ///
    /// # Errors
    /// `Refused`, which may always be told.
    pub fn may_see_feeds(&self, caller: &Caller) -> Result<Decision, Refused> {
        let runs = caller.role().and_then(|role| self.policy.role(role));
        self.on_duty(caller, runs.is_some_and(|role| role.may_run_programme))
    }

    /// Whether somebody may see how the portal is used, counted: who runs the programme.
    ///
    /// # Errors
    /// `Refused`, which may always be told.
    pub fn may_see_usage(&self, caller: &Caller) -> Result<Decision, Refused> {
        self.may_see_feeds(caller)
    }

    /// Whether somebody may see the agreements, and what flows under them: who runs the programme, and
    /// privacy officers.
    ///
    /// # Errors
    /// `Refused`, which may always be told.
    pub fn may_see_agreements(&self, caller: &Caller) -> Result<Decision, Refused> {
        let rule = caller.role().and_then(|role| self.policy.role(role));
        let may = rule
            .is_some_and(|role| role.may_run_programme || role.purposes.contains(&Purpose::Audit));
        self.on_duty(caller, may)
    }

    /// A person of the right role, signed in well enough for anything that the role is for.
    fn on_duty(&self, caller: &Caller, may: bool) -> Result<Decision, Refused> {
        let desk = self.admit(caller, Purpose::ServiceDesk, Right::Delegate);
        desk.or_else(|refused| {
            self.admit(caller, Purpose::Audit, Right::Delegate).map_err(|_| refused)
        })?;
        match caller {
            Caller::User(_) if may => Ok(Decision::permit(Rule::ProgrammeDuty)),
            Caller::User(_) | Caller::System(_) | Caller::Citizen(_) => Err(Refused {
                decision: Decision::deny(Rule::PurposeNotAllowed),
                may_be_told: true,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{Policy, SystemCaller, UserCaller};

    struct NoConsents;

    #[async_trait::async_trait]
    impl crate::ConsentRecords for NoConsents {
        async fn consent_records(
            &self,
            _: carerecord_model::NhsNumber,
        ) -> Result<Vec<crate::ConsentRecord>, crate::FactsUnavailable> {
            Ok(Vec::new())
        }
    }

    const ACCESS: &str = "
        [role.R0001]
        name = 'Privacy officer'
        purposes = ['audit']
        max_label = 'N'
        [role.R8015]
        name = 'Service desk'
        purposes = ['service-desk']
        max_label = 'U'
        [role.R8013]
        name = 'Programme operator'
        purposes = ['service-desk']
        max_label = 'U'
        may_run_programme = true
        [role.R8000]
        name = 'Clinician'
        purposes = ['direct-care']
        max_label = 'R'
        may_run_programme = true";

    fn user(role: &str, assurance: crate::Assurance) -> Caller {
        Caller::User(Box::new(UserCaller {
            user_id: "u".into(),
            name: "U".into(),
            organisation: "ZEX09".parse().unwrap(),
            role: role.into(),
            role_profile_id: "1".into(),
            activities: Vec::new(),
            assurance,
            client_id: "c".into(),
            session_id: None,
            asserted: None,
        }))
    }

    #[test]
    fn each_desk_sees_its_own() {
        let policy = Policy::parse(ACCESS, "", &[]).unwrap();
        let clock = Arc::new(carerecord_model::SystemClock);
        let access = AccessDecisions::new(Arc::new(policy), Arc::new(NoConsents), clock);
        let may = |caller: &Caller| {
            (access.may_see_feeds(caller).is_ok(), access.may_see_agreements(caller).is_ok())
        };

        for (role, expected) in [
            ("R0001", (false, true)),
            ("R8015", (false, false)),
            ("R8013", (true, true)),
            ("R8000", (false, false)),
            ("R9999", (false, false)),
        ] {
            assert_eq!(may(&user(role, crate::Assurance::Aal2)), expected, "{role}");
            assert_eq!(may(&user(role, crate::Assurance::Aal1)), (false, false), "{role}");
        }
        let system = Caller::System(SystemCaller {
            name: "portal".into(),
            organisation: "ZEX09".parse().unwrap(),
            rights: vec![Right::Delegate],
            known_by: "test",
        });
        assert_eq!(may(&system), (false, false));
    }
}
