use std::sync::Mutex;

use carerecord_testkit::{AuditRepository, RepositoryFault, install_crypto};
use jiff::Timestamp;

use super::*;
use crate::log::append_events;
use crate::testing::{Log, at, event};

/// A clock that a test moves.
struct Moved(Mutex<Timestamp>);

impl Clock for Moved {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

struct World {
    log: Log,
    repository: AuditRepository,
    clock: Arc<Moved>,
}

impl World {
    /// A log whose first records are older than the feed.
    async fn on_each() -> Vec<(Self, FhirFeed)> {
        install_crypto();
        let mut all = Vec::new();
        for log in Log::on_each().await {
            let repository = AuditRepository::start().await;
            let clock = Arc::new(Moved(Mutex::new(at(200_000))));
            let world = Self { log, repository, clock };
            world.append(1, 3).await;
            let mut feed = world.feed(1, 4);
            world.send(&mut feed).await.unwrap();
            all.push((world, feed));
        }
        all
    }

    /// A feed of one of the processes.
    fn feed(&self, holder: u128, most: u32) -> FhirFeed {
        let repository = FhirRepository {
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            base: self.repository.url() + "/",
            token: None,
            deadline: Duration::from_millis(500),
        };
        let settings = ("test", Uuid::from_u128(holder), most);
        FhirFeed::new(self.log.database.clone(), repository, settings, self.clock.clone())
    }

    async fn append(&self, from: u64, to: u64) {
        let events = (from..=to).map(|n| {
            let mut event = event(n);
            event.request_id = Some(format!("request {n}"));
            event
        });
        append_events(&self.log.database, events.collect()).await.unwrap();
    }

    async fn send(&self, feed: &mut FhirFeed) -> Result<(), FhirFeedError> {
        feed.send_new(&CancellationToken::new()).await
    }

    /// The numbers of the records that were taken, by their own ids.
    fn taken(&self) -> Vec<u64> {
        let number = |event: &Value| {
            let found = (1..100).find(|n| event["id"] == Log::id(*n).to_string());
            let number = found.unwrap_or_else(|| panic!("{event}"));
            let kept = format!("urn:uuid:{}", Log::id(number));
            assert_eq!(event["extension"][0]["valueUuid"], kept, "{event}");
            number
        };
        assert_eq!(self.repository.complaints(), Vec::<String>::new());
        self.repository.taken().iter().map(number).collect()
    }

    async fn state(&self, feed: &FhirFeed) -> (u64, i64) {
        let state = feed.queue.state().await.unwrap();
        (state.waiting, state.refused)
    }

    fn pass(&self, time: Duration) {
        let mut now = self.clock.0.lock().unwrap();
        *now = now.checked_add(time).unwrap();
    }
}

#[tokio::test]
async fn records_come_in_order_in_bundles_of_bounded_size() {
    for (world, mut feed) in World::on_each().await {
        world.append(4, 12).await;

        world.send(&mut feed).await.unwrap();
        world.send(&mut feed).await.unwrap();

        // Those from before the feed was set up are not among them.
        assert_eq!(world.taken(), (4..=12).collect::<Vec<_>>());
        assert_eq!(world.repository.requests(), [4, 4, 1]);
        assert_eq!(world.state(&feed).await, (0, 0));
    }
}

#[tokio::test]
async fn what_is_away_or_busy_gets_everything_afterwards() {
    for (mut world, mut feed) in World::on_each().await {
        world.append(4, 9).await;
        world.repository.go_away().await;
        let error = world.send(&mut feed).await.unwrap_err();
        assert!(matches!(error, FhirFeedError::Unreachable(_)), "{error}");
        assert!(!error.to_string().contains("127.0.0.1"), "{error}");
        world.repository.come_back().await;

        for status in [500, 502, 503, 401, 403, 404, 429, 302] {
            world.repository.behave(Some(RepositoryFault::Status(status, None)));
            let error = world.send(&mut feed).await.unwrap_err();
            assert!(matches!(error, FhirFeedError::NotNow(told, None) if told == status));
        }
        world.repository.behave(Some(RepositoryFault::Status(429, Some(77))));
        let error = world.send(&mut feed).await.unwrap_err();
        assert_eq!(feed.pause(LEAST_WAIT, &error).await, Duration::from_secs(77));
        world.repository.behave(Some(RepositoryFault::Status(503, Some(100_000))));
        let error = world.send(&mut feed).await.unwrap_err();
        assert_eq!(feed.pause(LEAST_WAIT, &error).await, MOST_ASKED);
        assert_eq!(world.taken(), Vec::<u64>::new());
        assert_eq!(world.state(&feed).await, (6, 0));

        world.repository.behave(None);
        world.send(&mut feed).await.unwrap();
        assert_eq!(world.taken(), (4..=9).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn a_record_that_is_refused_is_left_out_and_counted() {
    for (world, mut feed) in World::on_each().await {
        world.append(4, 9).await;
        world.repository.refuse("request 5", Some(422));
        // Where others are taken this is about the record, too.
        world.repository.refuse("request 7", Some(404));

        world.send(&mut feed).await.unwrap();

        assert_eq!(world.taken(), [4, 6, 8, 9]);
        assert_eq!(world.state(&feed).await, (0, 2));
        // By itself it is refused for good as well; who does not let us in at all is asked again.
        world.append(10, 10).await;
        world.repository.refuse("request 10", Some(400));
        world.send(&mut feed).await.unwrap();
        assert_eq!(world.state(&feed).await, (0, 3));
        world.append(11, 12).await;
        for n in [11, 12] {
            world.repository.refuse(&format!("request {n}"), Some(401));
        }
        world.send(&mut feed).await.unwrap_err();
        assert_eq!(world.state(&feed).await, (2, 3));
    }
}

#[tokio::test]
async fn who_is_not_let_in_in_the_middle_of_a_bundle_sends_the_rest_again() {
    for (world, mut feed) in World::on_each().await {
        world.append(4, 7).await;
        world.repository.refuse("request 6", Some(401));
        world.repository.refuse("request 7", Some(403));

        let error = world.send(&mut feed).await.unwrap_err();

        assert!(matches!(error, FhirFeedError::NotNow(401, _)), "{error}");
        assert_eq!(world.taken(), [4, 5]);
        assert_eq!(world.state(&feed).await, (2, 0));
        world.repository.refuse("request 6", None);
        world.repository.refuse("request 7", None);
        world.send(&mut feed).await.unwrap();
        assert_eq!(world.taken(), [4, 5, 6, 7]);
    }
}

#[tokio::test]
async fn a_repository_that_refuses_everything_is_not_passed_by() {
    for (world, mut feed) in World::on_each().await {
        world.append(4, 20).await;
        world.repository.behave(Some(RepositoryFault::Status(422, None)));

        for _ in 0..20 {
            let error = world.send(&mut feed).await.unwrap_err();
            assert!(matches!(error, FhirFeedError::TakesNone(422)), "{error}");
        }

        assert_eq!(world.state(&feed).await, (12, 5));
        // A restart lets no more through.
        world.pass(Duration::from_secs(3600));
        let mut restarted = world.feed(2, 4);
        world.send(&mut restarted).await.unwrap_err();
        assert_eq!(world.state(&restarted).await, (12, 5));
        world.repository.behave(None);
        world.send(&mut restarted).await.unwrap();
        assert_eq!(world.taken(), (9..=20).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn entries_that_are_all_refused_wait_for_one_that_is_taken() {
    for (world, mut feed) in World::on_each().await {
        world.append(4, 11).await;
        for n in 4..=11 {
            world.repository.refuse(&format!("request {n}"), Some(422));
        }

        let error = world.send(&mut feed).await.unwrap_err();

        assert!(matches!(error, FhirFeedError::TakesNone(422)), "{error}");
        assert_eq!(world.state(&feed).await, (3, 5));
        world.append(12, 12).await;
        world.send(&mut feed).await.unwrap();
        assert_eq!(world.taken(), [12]);
        assert_eq!(world.state(&feed).await, (0, 8));
    }
}

#[tokio::test]
async fn what_a_proxy_refuses_is_not_refused_by_the_repository() {
    for (world, mut feed) in World::on_each().await {
        world.append(4, 9).await;
        for status in [400, 409, 413, 422] {
            world.repository.behave(Some(RepositoryFault::Proxy(status)));
            let error = world.send(&mut feed).await.unwrap_err();
            assert!(matches!(error, FhirFeedError::NotNow(told, None) if told == status));
        }
        assert_eq!(world.state(&feed).await, (6, 0));

        world.repository.behave(None);
        world.send(&mut feed).await.unwrap();

        assert_eq!(world.taken(), (4..=9).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn one_that_is_to_come_again_holds_up_what_is_behind_it_and_nothing_comes_twice() {
    for (world, mut feed) in World::on_each().await {
        world.append(4, 11).await;
        world.repository.refuse("request 5", Some(503));
        world.repository.refuse("request 6", Some(400));

        let error = world.send(&mut feed).await.unwrap_err();

        assert!(matches!(error, FhirFeedError::NotNow(503, _)), "{error}");
        assert_eq!(world.taken(), [4, 7]);
        assert_eq!(world.state(&feed).await, (7, 1));
        // What is known of it holds after a restart.
        world.pass(Duration::from_secs(3600));
        let mut restarted = world.feed(2, 4);
        world.send(&mut restarted).await.unwrap_err();
        world.repository.refuse("request 5", None);
        world.send(&mut restarted).await.unwrap();
        assert_eq!(world.taken()[2], 5, "it comes before anything that is new");
        let mut taken = world.taken();
        taken.sort_unstable();
        assert_eq!(taken, [4, 5, 7, 8, 9, 10, 11]);
        assert_eq!(world.state(&restarted).await, (0, 1));
    }
}

#[tokio::test]
async fn a_bundle_that_is_refused_as_a_whole_is_sent_in_parts() {
    for (world, mut feed) in World::on_each().await {
        world.append(4, 9).await;
        world.repository.behave(Some(RepositoryFault::Bundles(413)));

        world.send(&mut feed).await.unwrap();

        assert_eq!(world.taken(), (4..=9).collect::<Vec<_>>());
        assert_eq!(world.state(&feed).await, (0, 0));
    }
}

#[tokio::test]
async fn an_answer_that_says_nothing_counts_for_nothing() {
    for (world, mut feed) in World::on_each().await {
        world.append(4, 5).await;
        world.repository.behave(Some(RepositoryFault::Silent));
        let error = world.send(&mut feed).await.unwrap_err();
        assert!(matches!(error, FhirFeedError::Late(_)), "{error}");
        world.repository.behave(Some(RepositoryFault::Page));
        let error = world.send(&mut feed).await.unwrap_err();
        assert!(matches!(error, FhirFeedError::NoBatchResponse), "{error}");
        assert_eq!(world.state(&feed).await, (2, 0));

        world.repository.behave(None);
        world.send(&mut feed).await.unwrap();

        // The repository has them three times, by the same ids.
        assert_eq!(world.taken(), [4, 5, 4, 5, 4, 5]);
    }
}

#[tokio::test]
async fn one_process_sends_at_a_time() {
    for (world, mut feed) in World::on_each().await {
        world.append(4, 5).await;
        let (mut other, now) = (world.feed(2, 4), world.clock.now());
        assert!(feed.queue.hold(now, Duration::from_secs(5)).await.unwrap());

        world.send(&mut other).await.unwrap();
        assert_eq!(world.taken(), Vec::<u64>::new());
        // The first one was killed.
        world.pass(Duration::from_secs(5));
        world.send(&mut other).await.unwrap();
        assert_eq!(world.taken(), [4, 5]);

        // Or it was only very slow: what it has to say counts no more.
        let late = Answers { of: vec![(4, 422)], through: Some(4) };
        assert!(!feed.queue.note(late).await.unwrap());
        assert_eq!(world.state(&feed).await, (0, 0));
        // Who has sent all lets the others send.
        world.append(6, 6).await;
        world.send(&mut feed).await.unwrap();
        assert_eq!(world.taken(), [4, 5, 6]);
    }
}

#[tokio::test]
async fn one_that_always_fails_is_left_out_where_others_are_taken() {
    for (world, mut feed) in World::on_each().await {
        world.append(4, 6).await;
        world.repository.refuse("request 4", Some(500));
        // Nothing is there that shows whether the repository takes others.
        for _ in 0..2 * MOST_FAILURES {
            let error = world.send(&mut feed).await.unwrap_err();
            assert!(matches!(error, FhirFeedError::NotNow(500, _)), "{error}");
        }
        assert_eq!(world.taken(), [5, 6]);
        assert_eq!(world.state(&feed).await, (3, 0));

        world.append(7, 8).await;
        world.send(&mut feed).await.unwrap();

        let mut taken = world.taken();
        taken.sort_unstable();
        assert_eq!(taken, [5, 6, 7, 8]);
        assert_eq!(world.state(&feed).await, (0, 1));
    }
}

#[tokio::test]
async fn many_that_are_refused_hold_up_none_for_good_that_is_taken() {
    for (world, mut feed) in World::on_each().await {
        world.append(4, 20).await;
        for n in 4..=15 {
            world.repository.refuse(&format!("request {n}"), Some(422));
        }

        for _ in 1..MOST_FAILURES {
            let error = world.send(&mut feed).await.unwrap_err();
            assert!(matches!(error, FhirFeedError::TakesNone(422)), "{error}");
        }
        assert_eq!(world.state(&feed).await, (12, 5));
        world.send(&mut feed).await.unwrap();

        let mut taken = world.taken();
        taken.sort_unstable();
        assert_eq!(taken, (16..=20).collect::<Vec<_>>());
        assert_eq!(world.state(&feed).await, (0, 12));
    }
}

#[tokio::test]
async fn a_repository_that_fails_for_long_gets_everything_in_order() {
    for (world, mut feed) in World::on_each().await {
        world.append(4, 9).await;
        for fault in [RepositoryFault::Status(503, None), RepositoryFault::Proxy(400)] {
            world.repository.behave(Some(fault));
            for _ in 0..2 * MOST_FAILURES {
                world.send(&mut feed).await.unwrap_err();
            }
        }
        assert_eq!(world.state(&feed).await, (6, 0));

        world.repository.behave(None);
        world.send(&mut feed).await.unwrap();

        assert_eq!(world.taken(), (4..=9).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn one_that_is_never_let_in_is_not_left_out() {
    for (world, mut feed) in World::on_each().await {
        world.append(4, 5).await;
        for n in [4, 5] {
            world.repository.refuse(&format!("request {n}"), Some(403));
        }
        world.append(6, 9).await;
        for _ in 0..2 * MOST_FAILURES {
            let error = world.send(&mut feed).await.unwrap_err();
            assert!(matches!(error, FhirFeedError::NotNow(403, _)), "{error}");
        }
        assert_eq!(world.taken(), [6, 7]);
        assert_eq!(world.state(&feed).await, (6, 0));
    }
}

#[tokio::test]
async fn a_bundle_that_fails_as_a_whole_is_sent_in_parts_later() {
    for (world, mut feed) in World::on_each().await {
        world.append(4, 6).await;
        world.repository.behave(Some(RepositoryFault::Bundles(500)));

        let mut failures = 0;
        while let Err(error) = world.send(&mut feed).await {
            assert!(matches!(error, FhirFeedError::NotNow(500, _)), "{error}");
            failures += 1;
            assert!(failures < 10);
        }

        assert_eq!(world.taken(), [4, 5, 6]);
        assert_eq!(world.repository.requests(), [3, 1, 2, 1, 1]);
    }
}

#[tokio::test]
async fn nobody_asks_in_the_pause_and_another_process_takes_over_behind_it() {
    for (world, mut feed) in World::on_each().await {
        world.append(4, 5).await;
        let mut other = world.feed(2, 4);
        for (asked, wait) in [(None, MOST_WAIT), (Some(100_000), MOST_ASKED)] {
            world.repository.behave(Some(RepositoryFault::Status(503, asked)));
            let error = world.send(&mut feed).await.unwrap_err();
            assert_eq!(feed.pause(MOST_WAIT, &error).await, wait);
            world.repository.behave(None);
            // The first one was killed.
            world.pass(wait + SLACK - Duration::from_millis(1));
            world.send(&mut other).await.unwrap();
            assert_eq!(world.taken(), Vec::<u64>::new());
        }

        world.pass(Duration::from_millis(1));
        world.send(&mut other).await.unwrap();

        assert_eq!(world.taken(), [4, 5]);
    }
}

#[tokio::test]
async fn of_processes_that_begin_together_the_first_says_where() {
    for (world, feed) in World::on_each().await {
        world.append(4, 5).await;

        // It has seen no beginning either, and is later.
        world.feed(2, 4).queue.begin(5).await.unwrap();

        assert_eq!(world.state(&feed).await, (2, 0));
    }
}

#[tokio::test]
async fn a_repository_that_wants_a_token_gets_the_one_of_the_moment() {
    for (world, mut feed) in World::on_each().await {
        world.append(4, 4).await;
        world.repository.wants("second");
        let token = Arc::new(Mutex::new("first"));
        let source = token.clone();
        let source = move || Ok((*source.lock().unwrap()).to_owned());
        feed.repository.token = Some(Arc::new(source));

        let error = world.send(&mut feed).await.unwrap_err();
        *token.lock().unwrap() = "second";
        world.send(&mut feed).await.unwrap();

        assert!(matches!(error, FhirFeedError::NotNow(401, _)), "{error}");
        assert_eq!(world.taken(), [4]);
    }
}
