use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// An answer that there is nothing, which must take as long where there is something that may not be
/// told of: it leaves at the next step of a grid, whatever it took to find out.
#[derive(Clone, Copy, Debug)]
pub struct Even(Instant);

impl Even {
    /// From when the question has come.
    #[expect(clippy::new_without_default, reason = "a beginning is no default")]
    pub fn new() -> Self {
        Self(Instant::now())
    }

    /// Waits for the next step.
    pub async fn wait(self) {
        let steps = self.0.elapsed().as_nanos() / STEP.as_nanos() + 1;
        let steps = u32::try_from(steps).unwrap_or(u32::MAX);
        sleep_until(self.0 + STEP.saturating_mul(steps)).await;
    }
}

/// Longer than what looking into a record takes more than finding none.
const STEP: Duration = Duration::from_millis(25);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whatever_it_took_the_answer_leaves_on_the_grid() {
        for (took, leaves) in [(0, 25), (10, 25), (30, 50)] {
            let even = Even::new();
            tokio::time::sleep(Duration::from_millis(took)).await;

            even.wait().await;

            let waited = even.0.elapsed().as_millis();
            assert!(waited >= leaves, "{took}: {waited}");
        }
    }
}
