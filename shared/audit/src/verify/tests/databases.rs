//! The same on each database: by its owner, from before the tree, by several sealers.

use std::sync::Arc;

use carerecord_model::RandomIds;
use carerecord_storage::StoreError;

use super::*;
use crate::Sealer;
use crate::testing::{Still, keys};

/// On each database: the owner switches off what guards the rows, and changes them with their hashes.
#[tokio::test]
async fn the_owner_of_the_database_is_found_out() {
    for log in Log::on_each().await {
        let folder = tempfile::tempdir().unwrap();
        let witness = FileWitness::new(folder.path(), "node");
        log.append(1, 600).await;
        log.seal_at(300).await;
        log.seal_at(600).await;
        log.append(601, 605).await;
        witness.publish(&log.database).await.unwrap();
        let files = [folder.path().join("node-2027-01.jsonl")];
        let verdict = verify(&log.lines().await, &files);
        assert_eq!((verdict.findings, verdict.proven), (vec![], 600));
        assert_eq!(verdict.warnings, [Warning::NotYetSigned { from: 601, to: 605 }]);

        assert!(log.run("UPDATE audit_event SET outcome = 'refused' WHERE seq = 7").await.is_err());
        assert!(log.run("DELETE FROM audit_head").await.is_err());
        log.unguard().await;
        log.run("UPDATE audit_event SET outcome = 'refused' WHERE seq = 7").await.unwrap();
        log.run("UPDATE audit_event SET record = '{}' WHERE seq = 603").await.unwrap();
        let found = verify(&log.lines().await, &files).findings;
        let chain = |seq| Finding::Chain { seq };
        assert_eq!(found, [chain(603), Finding::Altered { seq: 7 }]);
        log.run("DELETE FROM audit_event WHERE seq = 550").await.unwrap();
        let found = verify(&log.lines().await, &files).findings;
        let gone = Finding::Removed { seq: 550 };
        assert_eq!(found, [chain(603), Finding::Altered { seq: 7 }, gone]);
        // A sealer that is started now signs nothing over it.
        let sealer = Sealer::new(
            log.database.clone(),
            Arc::new(|| Ok(keys())),
            Arc::new(Still),
            Arc::new(RandomIds),
            Vec::new(),
        );
        assert!(sealer.seal().await.is_err());
    }
}

/// Records that are older than the tree become its leaves, and the log goes on.
#[tokio::test]
async fn a_log_from_before_the_tree_goes_on() {
    for log in Log::on_each().await {
        log.append(1, 700).await;
        log.unguard().await;
        log.run("UPDATE audit_event SET leaf = NULL WHERE seq <= 650").await.unwrap();

        log.seal_at(600).await;
        log.append(701, 705).await;
        while log.sealer.seal().await.unwrap().is_some() {}

        let verdict = verify(&log.lines().await, &[]);
        assert_eq!((verdict.findings, verdict.proven), (vec![], 705));
        let proof = crate::prove_inclusion(&log.database, 3).await.unwrap();
        proof.verify(RING()).unwrap();
        assert_eq!(AuditLog::new(log.database.clone()).verify().await.unwrap(), 705);
    }
}

/// A key that the old one vouches for signs on; each sealer goes on from the other's head.
#[tokio::test]
async fn keys_change_and_sealers_take_turns() {
    for log in Log::on_each().await {
        log.append(1, 5).await;
        log.seal_at(3).await;
        let mut endorsements = keys().endorsements;
        endorsements.push(key(1).endorse(key(2).public(), START_MS + 1));
        let changed = Arc::new(move || {
            Ok(crate::SigningKeys { key: key(2), endorsements: endorsements.clone() })
        });
        let other = Sealer::new(
            log.database.clone(),
            changed,
            Arc::new(Still),
            Arc::new(RandomIds),
            Vec::new(),
        );

        let signed = other.seal_to(4).await.unwrap().unwrap();
        assert_eq!(signed.key, key(2).public().id());
        log.seal_at(5).await;

        let verdict = verify(&log.lines().await, &[]);
        assert_eq!((verdict.findings, verdict.proven), (vec![], 5));
    }
}

impl Log {
    pub(super) async fn run(&self, statement: &'static str) -> Result<(), StoreError> {
        self.database
            .write(move |c| {
                Box::pin(async move { carerecord_storage::sql(statement).run(c).await.map(drop) })
            })
            .await
    }

    /// Drops what refuses changes, as its owner can.
    async fn unguard(&self) {
        let postgres = self.database.reader().await.unwrap().is_postgres();
        let statements: &[&'static str] = if postgres {
            &["DROP TRIGGER audit_event_is_kept ON audit_event"]
        } else {
            &["DROP TRIGGER audit_event_is_not_changed", "DROP TRIGGER audit_event_is_not_deleted"]
        };
        for statement in statements {
            self.run(statement).await.unwrap();
        }
    }
}
