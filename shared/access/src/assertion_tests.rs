use super::*;

/// Of a person who came by an assertion: system, purpose and patient must fit as well.
#[tokio::test]
async fn an_assertion_says_no_more_than_it_says() {
    let may = |change: fn(&mut Asserted)| async move {
        let mut caller = clinician("ZEX02", "R8001");
        let Caller::User(user) = &mut caller else { unreachable!() };
        let mut asserted = asserted();
        change(&mut asserted);
        user.asserted = Some(Box::new(asserted));
        let purpose = caller.purpose();
        let opened = decisions(&[]).open(&caller, purpose, Right::Query, patient()).await;
        let released = opened.and_then(|view| {
            assert_eq!(view.closed().is_none(), view.release(letter()).is_ok());
            view.release(letter())
        });
        released.map(|r| r.decision().rule).map_err(|r| (r.decision.rule, r.may_be_told))
    };

    assert_eq!(may(|_| {}).await, Ok(Rule::Agreement));
    assert_eq!(may(|a| a.system.rights = vec![Right::Delegate]).await, Ok(Rule::Agreement));
    let denied = Err((Rule::PurposeNotAllowed, true));
    assert_eq!(may(|a| a.system.rights = vec![Right::Publish]).await, denied);
    assert_eq!(may(|a| a.purpose = None).await, denied);
    assert_eq!(may(|a| a.purpose = Some(Purpose::Audit)).await, denied);
    let own = |a: &mut Asserted| a.patient = AssertedPatient::Only(patient());
    assert_eq!(may(own).await, Ok(Rule::Agreement));
    // Whoever learned of this would learn that there is a document.
    let hidden = Err((Rule::OtherPatient, false));
    let other = |a: &mut Asserted| {
        a.patient = AssertedPatient::Only("9990001014".parse().unwrap());
    };
    assert_eq!(may(other).await, hidden);
    assert_eq!(may(|a| a.patient = AssertedPatient::Unknown).await, hidden);
}

/// What is written is held to the same.
#[test]
fn what_an_assertion_is_about_holds_for_writing_too() {
    let mut caller = clinician("ZEX02", "R8001");
    let Caller::User(user) = &mut caller else { unreachable!() };
    user.asserted = Some(Box::new(Asserted {
        patient: AssertedPatient::Only(patient()),
        system: SystemCaller { rights: vec![Right::Publish], ..asserted().system },
        ..asserted()
    }));
    let access = decisions(&[]);

    assert!(access.may_publish(&caller).is_ok());
    assert!(access.may_administer(&caller).is_err());
    assert!(access.may_concern(&caller, Some(patient())).is_ok());
    assert!(access.may_concern(&caller, Some("9990001014".parse().unwrap())).is_err());
    assert!(access.may_concern(&caller, None).is_err());
    assert!(access.may_concern(&clinician("ZEX02", "R8001"), None).is_ok());
    assert!(access.may_publish(&clinician("ZEX02", "R8001")).is_err(), "by no system");
}

pub(super) fn asserted() -> Asserted {
    Asserted {
        issuer: "https://sts.example".into(),
        assertion_id: "_1".into(),
        alias: None,
        purpose: Some(Purpose::DirectCare),
        patient: AssertedPatient::Any,
        organisation_name: None,
        home_community_id: None,
        identifiers: Vec::new(),
        consent: Vec::new(),
        opened: None,
        system: SystemCaller {
            name: "epr".into(),
            organisation: "ZEX02".parse().unwrap(),
            rights: vec![Right::Query],
            known_by: "listener",
        },
    }
}
