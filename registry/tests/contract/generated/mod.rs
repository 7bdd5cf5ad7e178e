//! Sequences of requests that nobody thought of: whatever is asked, in whatever order, what is
//! registered keeps its rules, and a request that is refused changes nothing.

mod history;
mod invariants;
mod step;

use proptest::collection::vec;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};

use crate::support::World;
use history::{History, Taken};
use step::{Step, steps};

#[test]
fn whatever_is_asked_the_rules_hold_sqlite() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    run(SQLITE_CASES, |steps| runtime.block_on(async { play(World::sqlite().await, steps).await }));
}

#[test]
fn whatever_is_asked_the_rules_hold_postgres() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let there = runtime.block_on(carerecord_testkit::postgres::fresh_url());
    if there.is_none() {
        return;
    }
    let world = async || World::postgres().await.unwrap();
    run(POSTGRES_CASES, |steps| runtime.block_on(async { play(world().await, steps).await }));
}

/// Plays generated sequences, and shortens one that fails. The seed is said, so that a failure can
/// be had again: `SEED` is where to put it.
fn run(cases: u32, play: impl Fn(Vec<Step>) -> Result<Taken, TestCaseError>) {
    println!("seed {SEED}, {cases} sequences");
    let config =
        Config { cases, max_shrink_iters: 200, failure_persistence: None, ..Config::default() };
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&SEED.to_le_bytes());
    let mut runner =
        TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &seed));
    let all = std::cell::RefCell::new(Taken::default());
    let outcome = runner.run(&vec(steps(), 8..28), |steps| {
        let taken = play(steps)?;
        all.borrow_mut().add(&taken);
        Ok(())
    });
    let all = all.into_inner();
    println!("{all:?}");
    outcome.unwrap_or_else(|e| panic!("{e}"));
    all.assert_every_kind();
}

async fn play(world: World, steps: Vec<Step>) -> Result<Taken, TestCaseError> {
    let mut history = History::new(&world);
    // Something to refer to, of both patients.
    for other in [false, true] {
        let first = Step::Register { other, documents: 2, folder: true, on_demand: other };
        history.play(&first).await?;
    }
    for step in &steps {
        history.play(step).await?;
    }
    invariants::check(&history).await?;
    let taken = history.taken;
    world.close().await;
    Ok(taken)
}

const SEED: u64 = 20_261_126;
const SQLITE_CASES: u32 = 40;
const POSTGRES_CASES: u32 = 10;
