//! A registry that is moved from SQLite to PostgreSQL gives the same answers.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::Path;

use carerecord_model::{AssociationType, FoundObjects, LocalizedString};
use carerecord_storage::{
    Database, MovedTable, Progress, Stage, StoreError, TransferError, sql, transfer,
};
use carerecord_testkit::submission::{Builder, OTHER_PATIENT, PATIENT};

use crate::support::World;

#[tokio::test]
async fn a_move_that_broke_off_is_resumed_and_all_is_equal() {
    let Some(url) = carerecord_testkit::postgres::fresh_url().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("registry.db");
    let world = World::at(&file).await;
    populate(&world).await;
    let expected = answers(&world).await;
    let last_change = world.number("SELECT max(seq) FROM change").await;
    world.close().await;

    let mut copied = 0;
    let mut stop = |p: &Progress<'_>| {
        copied += u64::from(p.stage == Stage::Copying);
        if copied > 1_500 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let broken = transfer(&file, &url, &mut stop).await;
    assert!(matches!(broken, Err(TransferError::Interrupted)));
    let (moved, resumed_at) = go_on(&file, &url).await;

    assert!(resumed_at > 500, "it began again at row {resumed_at}");
    let rows: HashMap<&str, u64> = moved.iter().map(|t| (t.name.as_str(), t.rows)).collect();
    assert!(rows["registry_object"] > 1_000 && rows["registry_object_overflow"] > 0, "{rows:?}");
    let world = World::of(Database::connect(&url).await.unwrap()).await;
    assert_eq!(answers(&world).await, expected);
    world.audit().verify().await.unwrap();
    // Numbers go on after the last one.
    let later: carerecord_model::PatientId = LATER.parse().unwrap();
    let later = carerecord_model::Patient::from_number(later.nhs_number().unwrap());
    world.registry.put_patient(&world.caller, later).await.unwrap();
    world.register(&Builder::of(LATER).document()).await.unwrap();
    assert!(world.number("SELECT max(seq) FROM change").await > last_change);
    assert_eq!(answers(&world).await.0, expected.0);
    world.close().await;
}

#[tokio::test]
async fn a_finished_move_is_told_so_again() {
    let Some(url) = carerecord_testkit::postgres::fresh_url().await else { return };
    let (folder, file) = small().await;

    let (first, _) = go_on(&file, &url).await;
    let (again, copied) = go_on(&file, &url).await;

    assert_eq!(first, again);
    assert_eq!(copied, 0, "nothing is copied twice");
    drop(folder);
}

#[tokio::test]
async fn a_target_with_other_data_is_refused() {
    let Some(url) = carerecord_testkit::postgres::fresh_url().await else { return };
    let (_folder, file) = small().await;
    let world = World::of(Database::connect(&url).await.unwrap()).await;
    world.close().await;

    let refused = transfer(&file, &url, &mut go).await;

    assert!(matches!(refused, Err(TransferError::NotEmpty(_))), "{refused:?}");
}

#[tokio::test]
async fn a_source_that_was_written_to_is_refused() {
    let Some(url) = carerecord_testkit::postgres::fresh_url().await else { return };
    let (_folder, file) = small().await;
    let mut rows = 0;
    let mut stop = |p: &Progress<'_>| {
        rows += u64::from(p.stage == Stage::Copying);
        if rows > 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let broken = transfer(&file, &url, &mut stop).await;
    assert!(matches!(broken, Err(TransferError::Interrupted)));
    let world = World::at(&file).await;
    world.register(&Builder::of(PATIENT).document()).await.unwrap();
    world.close().await;

    let refused = transfer(&file, &url, &mut go).await;

    assert!(matches!(refused, Err(TransferError::OtherSource)), "{refused:?}");
}

#[tokio::test]
async fn what_is_changed_in_the_target_is_found() {
    let Some(url) = carerecord_testkit::postgres::fresh_url().await else { return };
    let (_folder, file) = small().await;
    let mut stop = |p: &Progress<'_>| match p.stage {
        Stage::Verifying => ControlFlow::Break(()),
        Stage::Reading | Stage::Copying => ControlFlow::Continue(()),
    };
    let broken = transfer(&file, &url, &mut stop).await;
    assert!(matches!(broken, Err(TransferError::Interrupted)));
    let database = Database::connect(&url).await.unwrap();
    database
        .write(|c| {
            Box::pin(async move {
                sql("UPDATE object_directory SET sort_key = sort_key + 1").run(c).await?;
                Ok::<(), StoreError>(())
            })
        })
        .await
        .unwrap();
    database.close().await;

    let refused = transfer(&file, &url, &mut go).await;

    let table = match refused {
        Err(TransferError::Differs(table)) => table,
        other => panic!("{other:?}"),
    };
    assert_eq!(table, "object_directory");
}

#[tokio::test]
async fn nothing_is_made_of_a_file_that_is_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("none.db");

    let refused = transfer(&file, "postgres://nobody@127.0.0.1:1/none", &mut go).await;

    assert!(matches!(refused, Err(TransferError::NoSource(_))), "{refused:?}");
    assert!(!file.exists());
}

const LATER: &str = "9990001022^^^&2.16.840.1.113883.2.1.4.1&ISO";

fn go(_: &Progress<'_>) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// Moves what is not moved yet; says after how many rows it set in, of those copied.
async fn go_on(file: &Path, url: &str) -> (Vec<MovedTable>, u64) {
    let mut first = None;
    let mut note = |p: &Progress<'_>| {
        if p.stage == Stage::Copying {
            first.get_or_insert(p.done - 1);
        }
        ControlFlow::Continue(())
    };
    let moved = transfer(file, url, &mut note).await.unwrap();
    (moved, first.unwrap_or_default())
}

async fn small() -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("registry.db");
    let world = World::at(&file).await;
    world.register(&Builder::default().document()).await.unwrap();
    world.close().await;
    (folder, file)
}

/// Some hundred submissions of two patients: folders, replacements, long metadata, texts that
/// collations order otherwise than bytes.
async fn populate(world: &World) {
    for (patient, submissions) in [(PATIENT, 200), (OTHER_PATIENT, 100)] {
        let mut b = Builder::of(patient);
        let mut last = None;
        for n in 0..submissions {
            let mut s = b.document();
            let id = s.document_entries[0].entry_uuid.clone();
            s.document_entries[0].creation_time =
                Some(format!("2024{:02}{:02}", 1 + n % 12, 1 + n % 28).parse().unwrap());
            if n % 10 == 3 {
                s.document_entries[0].title = vec![LocalizedString::new("Größe ☃ ".repeat(400))];
            }
            if n % 7 == 0 {
                let folder = b.add_folder(&mut s);
                b.add_to_folder(&mut s, &folder, &id);
            }
            if let Some(last) = last.take().filter(|_| n % 5 == 0) {
                b.relate(&mut s, AssociationType::Replace, &id, &last);
            }
            if n % 9 == 0 {
                let ids = ["a.9", "B.9", "ä9", "Z", "_", "a"];
                let source = format!("1.2.42.{}", 7 + n % 4);
                s.submission_set.source_id = source.parse().unwrap();
                s.document_entries[0].type_code =
                    carerecord_model::Code::new(ids[n % ids.len()], "2.999.9", "Type");
            }
            world.register(&s).await.unwrap();
            if n % 5 == 4 {
                let all = world.all_of(patient).await;
                last = all
                    .document_entries
                    .into_iter()
                    .find(|e| e.unique_id == s.document_entries[0].unique_id)
                    .map(|e| e.entry_uuid.clone());
            }
        }
    }
}

/// Everything of everybody, and all changes.
async fn answers(world: &World) -> (FoundObjects, FoundObjects, Vec<String>) {
    let mut changes = Vec::new();
    let mut since = 0;
    loop {
        let page = world.registry.changes(&world.caller, since, 100).await.unwrap().into_value();
        let Some(last) = page.changes.last() else { break };
        since = last.seq;
        changes.extend(page.changes.iter().map(|c| format!("{c:?}")));
    }
    (world.all_of(PATIENT).await, world.all_of(OTHER_PATIENT).await, changes)
}
