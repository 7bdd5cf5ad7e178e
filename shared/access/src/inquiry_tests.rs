use super::*;

fn inquiry(about: Caller) -> Inquiry {
    Inquiry {
        about,
        purpose: Purpose::DirectCare,
        patient: patient(),
        at: Fixed.now(),
        related: Vec::new(),
        supposed: Vec::new(),
        lifted: Vec::new(),
    }
}

fn access(records: &[ConsentRecord]) -> AccessDecisions {
    let more = "
        [role.R0001]
        name = \"Privacy officer\"
        purposes = [\"audit\"]
        max_label = \"N\"

        [system.consents]
        may_ask_of_others = true

        [break_glass]
        rules = [\"objection-whole-record\", \"consent-missing\"]
    ";
    let access = ACCESS.replace("[role.R8014]", "[role.R8014]\nmay_break_glass = true");
    let access = access.replace("[node]", &format!("{more}\n[node]"));
    let policy = Policy::parse(&access, MODELS, &[("a.json".into(), AGREEMENT.into())]).unwrap();
    let records = Arc::new(Fixtures(records.to_vec()));
    AccessDecisions::new(Arc::new(policy), records, Arc::new(Fixed))
}

fn system(name: &str) -> Caller {
    Caller::System(SystemCaller {
        name: name.into(),
        organisation: "ZEX09".parse().unwrap(),
        rights: vec![Right::Query],
        known_by: "token",
    })
}

fn permission() -> ConsentRecord {
    ConsentRecord {
        provision: Provision::Permission { recipient: None },
        ..objection(Grain::WholeRecord)
    }
}

/// An inquiry gets the answer that the person would get.
#[tokio::test]
async fn others_get_the_same_answer_with_its_whole_reason() {
    let all = objection(Grain::WholeRecord);
    for (records, caller) in [
        (vec![], clinician("ZEX02", "R8001")),
        (vec![], clinician("ZEX05", "R8014")),
        (vec![permission()], clinician("ZEX05", "R8014")),
        (vec![all], clinician("ZEX02", "R8001")),
    ] {
        let access = access(&records);
        let theirs = access.open(&caller, Purpose::DirectCare, Right::Query, patient());
        let theirs = theirs.await.unwrap().release(letter());
        let theirs = match theirs {
            Ok(released) => released.decision().clone(),
            Err(refused) => refused.decision,
        };

        let answers = access.inquire(&system("consents"), inquiry(caller.clone())).await.unwrap();
        let unmasked = answers.of_restricted(false);
        let answers = access.inquire(&system("consents"), inquiry(caller)).await.unwrap();
        let masked = answers.of_restricted(true).document(&letter()).unwrap();

        assert_eq!(unmasked.document(&letter()), Some(theirs.clone()));
        assert_eq!((masked.rule, masked.basis.len()), (theirs.rule, 0), "no place in it");
        let record = unmasked.record().unwrap();
        assert_eq!(record.is_permit(), theirs.is_permit(), "{record:?}");
    }
}

#[tokio::test]
async fn supposed_facts_and_days_change_the_answer_and_nothing_else() {
    let social = || clinician("ZEX05", "R8014");
    let asked = async |change: fn(&mut Inquiry), records: &[ConsentRecord]| {
        let mut inquiry = inquiry(social());
        change(&mut inquiry);
        let answers = access(records).inquire(&system("consents"), inquiry).await.unwrap();
        (answers.document(&letter()).unwrap().rule, answers.overridable(Some(&letter())))
    };
    assert_eq!(asked(|_| {}, &[]).await, (Rule::ConsentMissing, true));
    let consented = |i: &mut Inquiry| i.supposed = vec![permission()];
    assert_eq!(asked(consented, &[]).await, (Rule::Agreement, false));
    assert_eq!(asked(|_| {}, &[]).await.0, Rule::ConsentMissing, "it was only supposed");
    let objection = objection(Grain::WholeRecord);
    let both = [objection, ConsentRecord { id: Uuid::from_u128(8), ..permission() }];
    assert_eq!(asked(|_| {}, &both).await, (Rule::ObjectionWholeRecord, true));
    let lifted = |i: &mut Inquiry| i.lifted = vec![Uuid::from_u128(7)];
    assert_eq!(asked(lifted, &both).await.0, Rule::Agreement);
    let last = |i: &mut Inquiry| i.at = "2028-03-09T23:59:59Z".parse().unwrap();
    let after = |i: &mut Inquiry| i.at = "2028-03-10T00:00:00Z".parse().unwrap();
    assert_eq!(asked(last, &both[1..]).await.0, Rule::Agreement);
    assert_eq!(asked(after, &both[1..]).await, (Rule::NoAgreement, false));
}

/// Officers learn of people of their organisation and of documents that it keeps; nobody else may
/// ask of others.
#[tokio::test]
async fn who_may_know_is_the_policys_to_say() {
    let access = access(&[objection(Grain::WholeRecord)]);
    let officer = |organisation: &str| clinician(organisation, "R0001");
    let nurse = || clinician("ZEX02", "R8001");

    let own = access.inquire(&officer("ZEX02"), inquiry(nurse())).await.unwrap();
    assert_eq!(own.record().unwrap().rule, Rule::ObjectionWholeRecord);
    let keeper = access.inquire(&officer("ZEX01"), inquiry(nurse())).await.unwrap();
    assert_eq!(keeper.record(), None);
    assert_eq!(keeper.document(&letter()).unwrap().rule, Rule::ObjectionWholeRecord);
    let third = access.inquire(&officer("ZEX05"), inquiry(nurse())).await.unwrap();
    assert_eq!((third.record(), third.document(&letter())), (None, None));
    // Not even that the role may not tells whether there is a document.
    let unknown = inquiry(clinician("ZEX02", "R9999"));
    let third = access.inquire(&officer("ZEX05"), unknown).await.unwrap();
    assert_eq!(third.document(&letter()), None);
    for caller in [nurse(), system("portal"), clinician("ZEX02", "R9999")] {
        let refused = access.inquire(&caller, inquiry(nurse())).await.err().unwrap();
        assert!(refused.may_be_told, "{refused:?}");
    }
    let mut other = letter();
    other.patient_id = PatientId::from_nhs_number("9990001014".parse().unwrap());
    let answers = access.inquire(&system("consents"), inquiry(nurse())).await.unwrap();
    assert_eq!(answers.document(&other), None, "of another patient");
}

/// Whoever asks of themselves is told what a list tells: what must not be told is nothing.
#[tokio::test]
async fn asking_of_oneself_is_no_oracle() {
    let mut restricted = letter();
    restricted.confidentiality_codes = vec![Code::new("R", "2.16.840.1.113883.5.25", "")];
    let mut stranger = letter();
    stranger.repository_unique_id = Some("2.999.30.9".parse().unwrap());
    let own = view(clinician("ZEX01", "R8001"), &[]).await.unwrap();
    let foreign = view(clinician("ZEX02", "R8001"), &[]).await.unwrap();
    let closed = view(clinician("ZEX02", "R8001"), &[objection(Grain::WholeRecord)]).await.unwrap();

    assert_eq!(own.told_of(&restricted), None);
    assert_eq!(own.told_of_record().rule, Rule::RecordOpen);
    let untold = foreign.told_of(&stranger).unwrap();
    assert_eq!((untold.rule, untold.basis.len()), (Rule::NoAgreement, 0), "no organisation in it");
    let told = closed.told_of(&letter()).unwrap();
    assert_eq!((told.rule, told.set_by.as_deref()), (WHOLE, Some("the patient")));
    assert_eq!(closed.told_of_record().rule, WHOLE);
    let masked = view(clinician("ZEX02", "R8001"), &[]).await.unwrap().of_restricted(true);
    let masked = masked.told_of(&letter()).unwrap();
    assert!(masked.basis.is_empty(), "{masked:?}");
    assert_eq!(masked.obligations, [Obligation::Log, Obligation::Provenance, Obligation::Mask]);
}

const WHOLE: Rule = Rule::ObjectionWholeRecord;
