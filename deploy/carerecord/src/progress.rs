//! The bar of a long run, for a person who watches it.

use std::io::IsTerminal as _;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar on standard error; hidden where nobody sees it. Without a length until that is known.
///
/// # Errors
/// When the template is none.
pub fn bar(template: &str, length: Option<u64>) -> anyhow::Result<ProgressBar> {
    let target = if std::io::stderr().is_terminal() {
        ProgressDrawTarget::stderr_with_hz(5)
    } else {
        ProgressDrawTarget::hidden()
    };
    let bar = ProgressBar::with_draw_target(length, target);
    Ok(bar.with_style(ProgressStyle::with_template(template)?))
}
