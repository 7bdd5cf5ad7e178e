//! The registry's rules, each by a test of its name, on SQLite and on PostgreSQL alike.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod attributes;
mod busy;
mod citizen_grants;
mod codes;
mod feed;
mod filters;
mod folders;
mod generated;
mod identity;
mod identity_links;
mod lifecycle;
mod limited;
mod load;
mod many;
mod mllp;
mod people;
mod queries;
mod references;
mod registration;
mod relationships;
mod rules;
mod rules_table;
mod structure;
mod support;
mod transfer;
mod updates;
mod wire;

/// Makes of each function two tests: `sqlite` and `postgres`.
macro_rules! on_both_databases {
    ($($name:ident),* $(,)?) => {$(
        mod $name {
            #[tokio::test]
            async fn sqlite() {
                let world = crate::support::World::sqlite().await;
                super::super::$name(&world).await;
                world.close().await;
            }

            #[tokio::test]
            async fn postgres() {
                let Some(world) = crate::support::World::postgres().await else { return };
                super::super::$name(&world).await;
                world.close().await;
            }
        }
    )*};
}
pub(crate) use on_both_databases;
