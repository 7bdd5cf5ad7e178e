use carerecord_model::NhsNumber;
use carerecord_storage::sql;
use jiff::Timestamp;

use super::index::catch_up;
use super::*;
use crate::testing::{Log, at, event};
use crate::{AuditEvent, AuditOutcome, DocumentRef};

#[tokio::test]
async fn records_are_found_by_whatever_they_name() {
    for log in Log::on_each().await {
        log.append(1, 400).await;
        append(&log, named(401)).await;
        append(&log, named(402)).await;
        let source = AuditLog::new(log.database.clone());

        let found = async |change: &dyn Fn(&mut AuditQuestion)| {
            let mut question = all();
            change(&mut question);
            let page = source.search(&question).await.unwrap();
            assert_eq!(page.total, Some(page.events.len() as u64), "{question:?}");
            page.events.iter().map(|stored| stored.seq).collect::<Vec<_>>()
        };
        let text = |text: &str| vec![text.to_owned()];
        let both = [402, 401];
        assert_eq!(found(&|q| q.documents = text("2.999.1^a")).await, both);
        assert_eq!(found(&|q| q.documents = text("urn:oid:2.999.1^a")).await, both);
        assert_eq!(found(&|q| q.documents = text(LISTED)).await, both);
        let written = format!("urn:uuid:{}", LISTED.to_uppercase());
        assert_eq!(found(&|q| q.documents = text(&written)).await, both);
        assert_eq!(found(&|q| q.documents = text(ASKED)).await, both, "in a sentence");
        assert!(found(&|q| q.documents = text("may")).await.is_empty(), "a word is no id");
        assert_eq!(found(&|q| q.requests = text("request 401")).await, [401]);
        assert_eq!(found(&|q| q.organisations = text("ZEX77")).await, both);
        assert_eq!(found(&|q| q.organisations = text("ZEX01")).await.len(), 400);
        assert_eq!(found(&|q| q.actors = text("user 7")).await.len(), 8);
        assert_eq!(found(&|q| q.subjects = vec![number()]).await.len(), 134);
        assert_eq!(found(&|q| q.outcomes = vec![AuditOutcome::Refused]).await, both);
        let query = |q: &mut AuditQuestion| q.codes = vec![(CodeField::Type, vec![code("110112")])];
        assert_eq!(found(&query).await.len(), 400);
        let opened = |q: &mut AuditQuestion| {
            q.codes = vec![(CodeField::Subtype, vec![code("read")])];
            q.actors = text("user 1");
        };
        assert_eq!(found(&opened).await, [401]);
        assert_eq!(found(&|q| q.id = Some(Log::id(401))).await, [401]);
        assert_eq!(found(&|q| q.id = Some(Log::id(7))).await, [7]);
        assert!(found(&|q| q.id = Some(Log::id(500))).await.is_empty());
        let elsewhere = |q: &mut AuditQuestion| {
            q.id = Some(Log::id(401));
            q.within = Some(Within { organisation: "ZEX09".into(), documents: [].into() });
        };
        assert!(found(&elsewhere).await.is_empty(), "of another organisation");
        let by = |field, value: &str| {
            let codes = vec![(field, vec![code(value)])];
            move |q: &mut AuditQuestion| q.codes.clone_from(&codes)
        };
        assert_eq!(found(&by(CodeField::EntityRole, "3")).await, both, "documents");
        assert_eq!(found(&by(CodeField::EntityType, "XrequestId")).await, both);
        assert_eq!(found(&by(CodeField::Address, "10.20.0.")).await, both);
        assert_eq!(found(&by(CodeField::AddressExact, "10.20.0.14")).await, both);
        assert!(found(&by(CodeField::AddressExact, "10.20.0.1")).await.is_empty());
        let own = |q: &mut AuditQuestion| {
            q.subjects = vec![number()];
            q.within = Some(Within { organisation: "ZEX09".into(), documents: [key()].into() });
        };
        assert_eq!(found(&own).await, [402], "what is done with its documents");
    }
}

#[tokio::test]
async fn times_bound_what_is_found_whatever_the_clock_did() {
    for log in Log::on_each().await {
        log.append(1, 3000).await;
        // The clock is put back, and goes on.
        log.append(100, 200).await;
        let source = AuditLog::new(log.database.clone());
        catch_up(&log.database, 1000).await.unwrap();
        let between = async |from: u64, to: u64| {
            let question = AuditQuestion::between(at(from), at(to), 5000);
            source.search(&question).await.unwrap().events.len()
        };

        assert_eq!(between(1, 4000).await, 3101);
        assert_eq!(between(100, 201).await, 202);
        assert_eq!(between(2500, 2600).await, 100);
        assert_eq!(between(5000, 6000).await, 0);
        let rows = sql("SELECT CAST(count(*) AS BIGINT) FROM audit_indexed");
        assert!(rows.number(&log.database).await.unwrap() < 5);
    }
}

#[tokio::test]
async fn pages_have_each_record_once_while_others_come() {
    let log = Log::sqlite().await;
    log.append(1, 1300).await;
    let source = AuditLog::new(log.database.clone());
    let mut question = all();
    question.subjects = vec![number()];
    question.most = 50;

    let (mut seen, mut pages) = (Vec::new(), 0);
    loop {
        let page = source.search(&question).await.unwrap();
        assert_eq!(page.total, (pages == 0).then_some(433));
        seen.extend(page.events.iter().map(|stored| stored.seq));
        pages += 1;
        log.append(2000 + pages, 2000 + pages).await;
        question.up_to = Some(page.up_to);
        question.before = page.next;
        if page.next.is_none() {
            break;
        }
    }

    let expected: Vec<i64> = (1..=1300).rev().filter(|n| n % 3 == 0).collect();
    assert_eq!((seen, pages), (expected, 9));
}

#[tokio::test]
async fn what_is_too_much_for_one_answer_goes_on_and_is_not_counted() {
    let log = Log::sqlite().await;
    log.append(1, 21_000).await;
    let source = AuditLog::new(log.database.clone());
    let mut question = all();
    question.outcomes = vec![AuditOutcome::Failed];

    let page = source.search(&question).await.unwrap();

    assert_eq!((page.events.len(), page.total, page.next), (0, None, Some(1001)));
    question.before = page.next;
    let page = source.search(&question).await.unwrap();
    assert_eq!((page.events.len(), page.next), (0, None));
}

/// A log that is older than the index, and longer than one search may take into it.
#[tokio::test]
async fn what_the_index_does_not_have_yet_is_told() {
    let log = Log::sqlite().await;
    log.append(1, 20_000).await;
    append(&log, named(20_001)).await;
    let source = AuditLog::new(log.database.clone());
    let mut question = all();
    question.documents = vec![LISTED.to_owned()];

    let early = source.search(&question).await.unwrap();

    assert!(early.behind > 0 && early.total.is_none() && early.events.is_empty(), "{early:?}");
    catch_up(&log.database, 1000).await.unwrap();
    let late = source.search(&question).await.unwrap();
    assert_eq!((late.behind, late.total), (0, Some(1)));
}

/// Who has the database can take away what the index has, but not put a record where it is not.
#[tokio::test]
async fn a_record_is_held_against_the_question_whatever_the_index_says() {
    let log = Log::sqlite().await;
    append(&log, named(1)).await;
    let source = AuditLog::new(log.database.clone());
    catch_up(&log.database, 10).await.unwrap();
    let key = super::index::reference(Kind::Request, "another");
    let forged = sql("INSERT INTO audit_reference VALUES ($1, 1)").bind(key);
    log.database
        .write(move |c| Box::pin(async move { forged.run(c).await }))
        .await
        .map_err(|e: carerecord_storage::StoreError| e)
        .unwrap();
    let mut question = all();
    question.requests = vec!["another".to_owned()];

    let page = source.search(&question).await.unwrap();

    assert_eq!((page.events.len(), page.total), (0, Some(0)));
}

fn all() -> AuditQuestion {
    let end = Timestamp::from_second(4_000_000_000).unwrap();
    AuditQuestion::between(Timestamp::UNIX_EPOCH, end, 1000)
}

fn number() -> NhsNumber {
    "9990001006".parse().unwrap()
}

fn key() -> String {
    document_key(LISTED)
}

fn code(code: &str) -> CodeWanted {
    CodeWanted { system: None, code: Some(code.to_owned()) }
}

fn named(n: u64) -> AuditEvent {
    let mut event = event(n);
    event.interaction = "ITI-68 read Binary".to_owned();
    event.outcome = AuditOutcome::Refused;
    event.request_id = Some(format!("request {n}"));
    event.peer = Some("10.20.0.14:4711".to_owned());
    event.listed =
        vec![format!("urn:uuid:{LISTED}"), format!("may see {ASKED}: objection-whole-record")];
    event.documents = vec![DocumentRef { id: "2.999.1^a".to_owned(), hash: None }];
    if let Some(actor) = &mut event.actor {
        actor.organisation = "ZEX77".to_owned();
    }
    event
}

async fn append(log: &Log, event: AuditEvent) {
    AuditLog::new(log.database.clone()).append(event).await.unwrap();
}

const LISTED: &str = "6c1d0b52-0000-4000-8000-00000000000a";
const ASKED: &str = "6c1d0b52-0000-4000-8000-00000000000b";
