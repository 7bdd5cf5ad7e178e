//! Nodes that hang, refuse, answer garbage and recover, in short times.

mod bodies;

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use carerecord_fhir::SourceState;
use carerecord_model::{
    ByteRange, Clock, DocumentRequest, ErrorCode, OnBehalf, PortError, RandomIds,
    RetrievedDocument, TransactionError,
};
use futures_util::{StreamExt, stream};
use jiff::Timestamp;

use super::*;

#[tokio::test]
async fn of_three_ill_nodes_the_truth_is_told_within_the_deadline() {
    let nodes = vec![
        node(1, vec![Script::well(10)]),
        node(2, vec![Script::always(Does::Hang)]),
        node(3, vec![Script::always(Does::Unavailable)]),
        node(4, vec![Script::always(Does::Garbage)]),
        node(5, vec![Script::always(Does::Refuse)]),
    ];
    let (federation, _) = federation(nodes);

    let begun = Instant::now();
    let states = federation.probe_all().await;

    assert!(begun.elapsed() < DEADLINE + SLACK, "{:?}", begun.elapsed());
    let told: Vec<_> = states.iter().map(|s| s.state).collect();
    use SourceState::*;
    assert_eq!(told, [Answered, Late, Down, Garbage, Refused]);
    assert!(states[0].last_good.is_some());
    assert!(states[1..].iter().all(|s| s.last_good.is_none()));
    assert!(states[1].latency_ms >= DEADLINE.as_millis() as u64);
}

#[tokio::test]
async fn a_dead_one_of_eight_costs_the_others_nothing() {
    let mut nodes: Vec<Node> =
        (1..8).map(|n| node(n, vec![Script::well(20 + u64::from(n))])).collect();
    nodes.push(node(8, vec![Script::always(Does::Hang)]));
    let (federation, _) = federation(nodes);
    let members = federation.members();

    let begun = Instant::now();
    let mut took = Vec::new();
    let mut asked: stream::FuturesUnordered<_> = members
        .iter()
        .map(|member| {
            federation.ask(member, "probe", |r| Box::pin(async move { Ok(r.probe().await?) }))
        })
        .collect();
    while let Some(asked) = asked.next().await {
        took.push((asked.state.state, begun.elapsed()));
    }

    let (last, healthy) = took.split_last().unwrap();
    assert!(healthy.iter().all(|(state, _)| *state == SourceState::Answered));
    // The slowest of them takes 27 ms.
    assert!(healthy[6].1 < Duration::from_millis(27 + 60), "{took:?}");
    assert_eq!(last.0, SourceState::Late);
    assert!((DEADLINE..DEADLINE + SLACK).contains(&last.1), "{took:?}");
}

#[tokio::test]
async fn what_may_pass_is_asked_again_and_what_may_not_is_not() {
    for (first, asked, state) in [
        (Does::Unavailable, 2, SourceState::Answered),
        (Does::Busy, 2, SourceState::Answered),
        (Does::Garbage, 1, SourceState::Garbage),
        (Does::Refuse, 1, SourceState::Refused),
        (Does::NotThere, 1, SourceState::Answered),
    ] {
        let script = Script::new([first], Does::Answer(0));
        let times = script.asked.clone();
        let (federation, _) = federation(vec![node(1, vec![script])]);

        let states = federation.probe_all().await;

        let asked_times = times.load(Ordering::SeqCst);
        assert_eq!((states[0].state, asked_times), (state, asked), "{first:?}");
    }
}

#[tokio::test]
async fn an_endpoint_that_fails_again_and_again_is_left_alone_and_tried_later() {
    let script = Script::new([Does::Hang; 3], Does::Answer(0));
    let times = script.asked.clone();
    let (federation, clock) = federation(vec![node(1, vec![script])]);
    for _ in 0..3 {
        assert_eq!(federation.probe_all().await[0].state, SourceState::Late);
    }

    let begun = Instant::now();
    let paused = federation.probe_all().await;
    let left_alone = times.load(Ordering::SeqCst);
    clock.forward(PAUSE_MS);
    let tried = federation.probe_all().await;

    assert_eq!((paused[0].state, left_alone), (SourceState::Paused, 3));
    assert!(begun.elapsed() < SLACK);
    assert_eq!(tried[0].state, SourceState::Answered);
    assert_eq!(tried[0].last_good, Some(clock.now()));
}

#[tokio::test]
async fn a_second_endpoint_is_asked_when_the_first_is_slow_and_then_first() {
    let slow = Script::always(Does::Answer(5_000));
    let (slow_asked, dropped) = (slow.asked.clone(), slow.dropped.clone());
    let (federation, _) = federation(vec![node(1, vec![slow, Script::well(5)])]);

    let begun = Instant::now();
    let first = federation.probe_all().await;
    let (hedged, lost) = (begun.elapsed(), dropped.load(Ordering::SeqCst));
    let begun = Instant::now();
    let second = federation.probe_all().await;

    assert_eq!((first[0].state, second[0].state), (SourceState::Answered, SourceState::Answered));
    assert!(hedged >= HEDGE && hedged < HEDGE + SLACK, "{hedged:?}");
    assert_eq!(lost, 1, "the slow one is given up");
    assert!(begun.elapsed() < HEDGE, "{:?}", begun.elapsed());
    assert_eq!(slow_asked.load(Ordering::SeqCst), 1, "the one that answered is asked first");
}

#[tokio::test]
async fn a_second_endpoint_is_asked_at_once_when_the_first_fails() {
    for first in [Does::Unavailable, Does::Garbage, Does::Refuse, Does::Busy] {
        let nodes = vec![node(1, vec![Script::always(first), Script::well(0)])];
        let (federation, _) = federation(nodes);

        let begun = Instant::now();
        let states = federation.probe_all().await;

        assert_eq!(states[0].state, SourceState::Answered, "{first:?}");
        assert!(begun.elapsed() < HEDGE, "{first:?}: {:?}", begun.elapsed());
    }
}

#[tokio::test]
async fn a_node_that_is_left_alone_from_now_on_is_told_of_by_what_it_did() {
    let mut node = node(1, vec![Script::always(Does::Unavailable)]);
    node.limits.breaker_failures = 1;
    let (federation, _) = federation(vec![node]);

    let first = federation.probe_all().await[0].state;
    let second = federation.probe_all().await[0].state;

    assert_eq!((first, second), (SourceState::Down, SourceState::Paused));
}

#[tokio::test]
async fn the_last_word_of_one_endpoint_is_not_put_to_the_other() {
    let other = Script::well(0);
    let asked = other.asked.clone();
    let ends = vec![Script::always(Does::NotThere), other];
    let (federation, _) = federation(vec![node(1, ends)]);

    let states = federation.probe_all().await;

    assert_eq!((states[0].state, asked.load(Ordering::SeqCst)), (SourceState::Answered, 0));
}

#[tokio::test]
async fn no_more_requests_than_a_node_may_have() {
    let script = Script::well(20);
    let most = script.most.clone();
    let mut node = node(1, vec![script]);
    node.limits.concurrent_requests = 2;
    let (federation, _) = federation(vec![node]);

    let all = futures_util::future::join_all((0..8).map(|_| federation.probe_all())).await;

    assert!(all.iter().all(|states| states[0].state == SourceState::Answered));
    assert_eq!(most.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn what_is_known_of_a_node_outlives_a_change_of_the_directory() {
    let ill = || Script::always(Does::Hang);
    let (federation, _) = federation(vec![node(1, vec![ill()]), node(2, vec![Script::well(0)])]);
    for _ in 0..3 {
        federation.probe_all().await;
    }

    federation.replace(vec![
        node(2, vec![Script::always(Does::Unavailable)]),
        node(3, vec![Script::well(0)]),
        node(1, vec![ill()]),
    ]);
    let states = federation.probe_all().await;

    let told: Vec<_> = states.iter().map(|s| (s.state, s.last_good.is_some())).collect();
    use SourceState::*;
    assert_eq!(told, [(Down, true), (Answered, true), (Paused, false)]);
    let ids = federation.ids().iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(ids, ["2.999.2", "2.999.3", "2.999.1"]);
}

fn federation(nodes: Vec<Node>) -> (Federation, Arc<HandClock>) {
    let clock = Arc::new(HandClock::default());
    (Federation::new(nodes, DEADLINE, clock.clone(), Arc::new(RandomIds)), clock)
}

fn node(n: u32, endpoints: Vec<Script>) -> Node {
    let endpoint = |(at, script): (usize, Script)| Endpoint {
        address: format!("http://127.0.0.1/{at}"),
        repository: Arc::new(script),
    };
    Node {
        id: format!("2.999.{n}").parse().unwrap(),
        name: format!("Node {n}"),
        limits: NodeLimits {
            attempts: 2,
            retry_after_ms: 10,
            hedge_after_ms: HEDGE.as_millis() as u64,
            breaker_failures: 3,
            breaker_pause_ms: PAUSE_MS as u64,
            ..NodeLimits::default()
        },
        endpoints: endpoints.into_iter().enumerate().map(endpoint).collect(),
        log: None,
        refused: None,
    }
}

/// A clock that stands still until it is moved.
#[derive(Default)]
struct HandClock(Mutex<i64>);

impl HandClock {
    fn forward(&self, ms: i64) {
        *self.0.lock().unwrap() += ms;
    }
}

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(1_760_000_000_000 + *self.0.lock().unwrap()).unwrap()
    }
}

#[derive(Clone, Copy, Debug)]
enum Does {
    /// After so many milliseconds.
    Answer(u64),
    Hang,
    Unavailable,
    Garbage,
    Refuse,
    Busy,
    NotThere,
}

/// An endpoint that does one thing after the other.
struct Script {
    next: Mutex<VecDeque<Does>>,
    then: Does,
    asked: Arc<AtomicUsize>,
    dropped: Arc<AtomicUsize>,
    running: AtomicUsize,
    most: Arc<AtomicUsize>,
}

impl Script {
    fn new(next: impl IntoIterator<Item = Does>, then: Does) -> Self {
        Self {
            next: Mutex::new(next.into_iter().collect()),
            then,
            asked: Arc::default(),
            dropped: Arc::default(),
            running: AtomicUsize::new(0),
            most: Arc::default(),
        }
    }

    fn always(then: Does) -> Self {
        Self::new([], then)
    }

    fn well(ms: u64) -> Self {
        Self::always(Does::Answer(ms))
    }
}

struct Running<'s>(&'s Script, bool);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
        if !self.1 {
            self.0.dropped.fetch_add(1, Ordering::SeqCst);
        }
    }
}

#[async_trait]
impl DocumentRepository for Script {
    async fn retrieve(
        &self,
        _: &DocumentRequest,
        _: Option<ByteRange>,
        _: &dyn OnBehalf,
    ) -> Result<RetrievedDocument, PortError> {
        self.probe().await?;
        Ok(bodies::document(vec![Bytes::from_static(b"bytes")]))
    }

    async fn probe(&self) -> Result<(), PortError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(running, Ordering::SeqCst);
        let mut here = Running(self, false);
        let does = self.next.lock().unwrap().pop_front().unwrap_or(self.then);
        let registry_error = |code| Err(TransactionError::one(code, "").into());
        let answer = match does {
            Does::Answer(ms) => {
                tokio::time::sleep(Duration::from_millis(ms)).await;
                Ok(())
            }
            Does::Hang => std::future::pending().await,
            Does::Unavailable => Err(PortError::Unavailable("nobody is there".into())),
            Does::Garbage => Err(PortError::Protocol("it is a page of a proxy".into())),
            Does::Refuse => Err(PortError::Refused { with: "HTTP 500".into(), reason: None }),
            Does::Busy => registry_error(ErrorCode::XDSRepositoryBusy),
            Does::NotThere => registry_error(ErrorCode::XDSDocumentUniqueIdError),
        };
        here.1 = true;
        answer
    }
}

const DEADLINE: Duration = Duration::from_millis(300);
const HEDGE: Duration = Duration::from_millis(100);
const PAUSE_MS: i64 = 5_000;
/// What a busy machine may add.
const SLACK: Duration = Duration::from_millis(400);
