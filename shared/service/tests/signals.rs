//! The signals of a process. Alone in its file, since they reach every test of a process.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::process::Command;
use std::time::Duration;

use carerecord_service::{Lifecycle, Stopped};

#[tokio::test]
async fn the_first_signal_drains_and_the_second_aborts() {
    for (signals, expected) in [(1, Stopped::Drained), (2, Stopped::Aborted { unfinished: 1 })] {
        let lifecycle = Lifecycle::new();
        lifecycle.spawn("slow", tokio::time::sleep(Duration::from_millis(800)));
        let running = lifecycle.clone();
        let run = async move { running.run().await.expect("signals can be listened to") };
        let signal = async {
            for _ in 0..signals {
                tokio::time::sleep(Duration::from_millis(100)).await;
                let id = std::process::id().to_string();
                assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
            }
        };

        let (stopped, ()) = tokio::join!(run, signal);

        assert_eq!(stopped, expected);
        assert!(lifecycle.is_draining());
    }
}
