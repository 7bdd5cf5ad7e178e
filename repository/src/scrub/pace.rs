use std::time::Duration;

use tokio::time::Instant;

/// Lets no more bytes pass in a time than are wanted.
pub(super) struct Pace {
    rate: Option<u64>,
    start: Instant,
    bytes: u64,
    told: u64,
}

impl Pace {
    /// `rate` in bytes a second.
    pub(super) fn new(rate: Option<u64>) -> Self {
        Self { rate: rate.filter(|r| *r > 0), start: Instant::now(), bytes: 0, told: 0 }
    }

    pub(super) async fn took(&mut self, bytes: u64) {
        self.bytes += bytes;
        let Some(rate) = self.rate else { return };
        let due = Duration::from_secs_f64(self.bytes as f64 / rate as f64);
        tokio::time::sleep_until(self.start + due).await;
    }

    /// Bytes since the last time it was asked.
    pub(super) fn taken(&mut self) -> u64 {
        let taken = self.bytes - self.told;
        self.told = self.bytes;
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn bytes_pass_no_faster_than_they_may() {
        let mut pace = Pace::new(Some(10_000));
        for _ in 0..10 {
            pace.took(100).await;
        }
        assert!(pace.start.elapsed() >= Duration::from_millis(99), "{:?}", pace.start.elapsed());
        assert_eq!((pace.taken(), pace.taken()), (1000, 0));

        let mut free = Pace::new(None);
        free.took(u64::MAX / 2).await;
        assert!(free.start.elapsed() < Duration::from_secs(5));
    }
}
