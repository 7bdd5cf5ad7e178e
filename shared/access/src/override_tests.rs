use super::*;

/// Whatever the policy lets be overridden is open to whoever has opened it, and to nobody else; the
/// rest stays closed.
#[tokio::test]
async fn an_override_opens_what_the_policy_says_and_for_whom() {
    let restricted = labelled("R");
    let objections =
        [objection(Grain::WholeRecord), objection(Grain::Source(organisation("ZEX01")))];
    let opened = |change: fn(&mut Override)| {
        let mut opened = open();
        change(&mut opened);
        opened
    };
    let later = |o: &mut Override| o.until = "2026-11-25T11:59:59Z".parse().unwrap();
    let cases: [(&str, Override, &DocumentEntry, Option<Rule>); 8] = [
        ("as it was opened", opened(|_| {}), &letter(), None),
        ("a restricted document", opened(|_| {}), &restricted, None),
        ("one above what may be opened", opened(|_| {}), &labelled("V"), Some(Rule::Label)),
        ("another person", opened(|o| o.user_id = "1".into()), &letter(), WHOLE),
        ("another role", opened(|o| o.role_profile_id = "1".into()), &letter(), WHOLE),
        ("another session", opened(|o| o.session_id = None), &letter(), WHOLE),
        ("when it has ended", opened(later), &letter(), WHOLE),
        (
            "another patient",
            opened(|o| o.patient = "9990001014".parse().unwrap()),
            &letter(),
            WHOLE,
        ),
    ];
    for (what, opened, entry, denied) in cases {
        let view = view_with(&objections, Some(opened), &policy(BREAK_GLASS)).await;

        let released = view.release(entry.clone());

        match (released, denied) {
            (Ok(released), None) => {
                let decision = released.decision();
                assert_eq!(decision.rule, Rule::BreakGlass, "{what}");
                let against = "against objection-whole-record".to_owned();
                assert!(decision.basis.contains(&against), "{what}: {decision:?}");
                assert!(view.closed().is_none(), "{what}");
            }
            (Err(refused), Some(rule)) => assert_eq!(refused.decision.rule, rule, "{what}"),
            (released, denied) => panic!("{what}: {released:?}, {denied:?}"),
        }
    }
}

/// What needs no override is not said to rest on one; what the policy leaves out stays closed; no
/// agreement, no override.
#[tokio::test]
async fn an_override_changes_nothing_else() {
    let view = view_with(&[], Some(open()), &policy(BREAK_GLASS)).await;
    assert_eq!(view.release(letter()).unwrap().decision().rule, Rule::Agreement);

    let only_label = BREAK_GLASS.replace("\"objection-whole-record\", ", "");
    let view =
        view_with(&[objection(Grain::WholeRecord)], Some(open()), &policy(&only_label)).await;
    assert_eq!(view.release(letter()).unwrap_err().decision.rule, Rule::ObjectionWholeRecord);

    let mut stranger = letter();
    stranger.repository_unique_id = Some("2.999.30.9".parse().unwrap());
    let view = view_with(&[], Some(open()), &policy(BREAK_GLASS)).await;
    assert_eq!(view.release(stranger).unwrap_err().decision.rule, Rule::NoAgreement);
}

#[tokio::test]
async fn a_store_that_fails_opens_nothing() {
    let view = view_with(&[objection(Grain::WholeRecord)], None, &policy(BREAK_GLASS)).await;
    assert_eq!(view.release(letter()).unwrap_err().decision.rule, Rule::ObjectionWholeRecord);
}

#[test]
fn who_may_override_is_the_policys_to_say() {
    let access = |policy: Policy| {
        AccessDecisions::new(Arc::new(policy), Arc::new(Fixtures(Vec::new())), Arc::new(Fixed))
    };
    let may = |policy: Policy, caller: &Caller| access(policy).may_break_glass(caller).is_ok();
    let doctor = clinician("ZEX01", "R8000");

    assert!(may(policy(BREAK_GLASS), &doctor));
    assert!(!may(policy(BREAK_GLASS), &clinician("ZEX02", "R8001")), "the role may not");
    assert!(!may(policy(""), &doctor), "there is nothing to override");
    let active = format!("{BREAK_GLASS}activity = \"B0168\"\n");
    assert!(!may(policy(&active), &doctor), "the role has not the activity");
    let wrong = BREAK_GLASS.replace("\"label\"", "\"no-agreement\"");
    let access = format!("{ACCESS}{wrong}");
    let error = Policy::parse(&access, MODELS, &[]).unwrap_err().to_string();
    assert!(error.contains("no-agreement is not a rule that may be overridden"), "{error}");
}

/// What the patient lets those see who have overridden is told as that, and asked about later, though
/// the programme lets nobody override what they object to.
#[tokio::test]
async fn what_the_patient_opens_to_overrides_rests_on_one() {
    let purposes = vec![TermPurpose::BreakGlass];
    let for_overrides = Term { permits: true, purposes, ..Term::default() };
    let mut closed = objection(Grain::WholeRecord);
    let terms = Terms { root: Term::default(), exceptions: vec![for_overrides] };
    closed.provision = Provision::Terms(Box::new(terms));
    let only_label = policy("[break_glass]\nrules = [\"label\"]\nmax_label = \"R\"\n");
    let said = [closed];

    let calm = view_with(&said, None, &only_label).await;
    let overridden = view_with(&said, Some(open()), &only_label).await;

    assert_eq!(calm.closed().map(|refused| refused.decision.rule), WHOLE);
    let refused = calm.release(letter()).unwrap_err();
    assert_eq!(Some(refused.decision.rule), WHOLE);
    assert!(overridden.closed().is_none());
    let released = overridden.release(letter()).unwrap();
    let decision = released.decision();
    assert_eq!(decision.rule, Rule::BreakGlass);
    assert!(decision.obligations.contains(&Obligation::Notify));
    let basis = "against objection-whole-record".to_owned();
    assert!(decision.basis.contains(&basis), "{decision:?}");
}

fn policy(break_glass: &str) -> Policy {
    let access = ACCESS.replacen("[role.R8000]", "[role.R8000]\nmay_break_glass = true", 1);
    let access = format!("{access}{break_glass}");
    let agreement = AGREEMENT.replace("\"sensitivity_max\": \"N\"", "\"sensitivity_max\": \"V\"");
    Policy::parse(&access, MODELS, &[("a.json".into(), agreement)]).unwrap()
}

async fn view_with(
    records: &[ConsentRecord],
    opened: Option<Override>,
    policy: &Policy,
) -> RecordView {
    let decisions = AccessDecisions::new(
        Arc::new(policy.clone()),
        Arc::new(Fixtures(records.to_vec())),
        Arc::new(Fixed),
    );
    let decisions = decisions.with_overrides(Arc::new(Opened(opened)));
    let caller = clinician("ZEX02", "R8000");
    decisions.open(&caller, Purpose::DirectCare, Right::Query, patient()).await.unwrap()
}

fn open() -> Override {
    Override {
        id: Uuid::from_u128(9),
        patient: patient(),
        user_id: "555021935107".into(),
        role_profile_id: "555021935108".into(),
        session_id: Some("s-1".into()),
        reason: OverrideReason::Emergency,
        since: "2026-11-25T11:30:00Z".parse().unwrap(),
        until: "2026-11-25T12:30:00Z".parse().unwrap(),
    }
}

fn labelled(code: &str) -> DocumentEntry {
    let confidentiality_codes = vec![Code::new(code, "2.16.840.1.113883.5.25", "")];
    DocumentEntry { confidentiality_codes, ..letter() }
}

fn organisation(code: &str) -> carerecord_model::OrganisationCode {
    code.parse().unwrap()
}

/// A store with one override, or one that fails.
struct Opened(Option<Override>);

#[async_trait]
impl Overrides for Opened {
    async fn overrides(
        &self,
        _: &UserCaller,
        _: NhsNumber,
    ) -> Result<Vec<Override>, FactsUnavailable> {
        self.0.clone().map(|o| vec![o]).ok_or_else(|| FactsUnavailable("down".into()))
    }
}

const WHOLE: Option<Rule> = Some(Rule::ObjectionWholeRecord);
const BREAK_GLASS: &str = r#"
[break_glass]
rules = ["objection-whole-record", "objection-source", "label"]
max_label = "R"
"#;
