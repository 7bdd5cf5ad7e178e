//! The log of the process, on standard error.
//!
//! Each request makes exactly one line at level `info`, target `carerecord_service::request_log`,
//! when its answer has left or was cut off. Its fields:
//!
//! | field | meaning |
//! |---|---|
//! | `listener` | the door, e.g. `registry` |
//! | `id` | the request id that the answer carries as `X-Request-ID` |
//! | `method` | a method of HTTP, or `OTHER` |
//! | `route` | the pattern that matched, e.g. `/fhir/Patient/{id}`, or `unmatched`; never the URL itself |
//! | `status` | the status of the answer |
//! | `duration_ms` | from the head of the request to the end of the answer |
//! | `bytes` | bytes of the answer's body that were handed to the connection |
//! | `complete` | `false` if the answer was cut off before its end |
//!
//! No line may carry a name, an identifier of a patient, a token or a body. Three guards hold where
//! discipline does not: panics print where they happened but not what they say; libraries that
//! print what they carry are held at `warn` whatever the filter says; URLs are never logged.

use std::io;

use serde::Deserialize;
use tracing::{Metadata, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry::Registry;

/// How a line of the log looks.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line, for collectors.
    Json,
}

/// Why the log could not be started.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter does not parse.
    #[error("the log filter is not understood: {0}")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// Something else has started a log in this process.
    #[error("the log has already been started")]
    AlreadyStarted,
}

/// Starts the log of this process and silences what panics say.
///
/// `filter` is a list of directives such as `info,carerecord_registry=debug`; empty means `info`.
///
/// # Errors
/// When the filter does not parse, or when called a second time.
pub fn init(format: LogFormat, filter: &str) -> Result<(), TelemetryError> {
    let subscriber = subscriber(format, filter, io::stderr)?;
    tracing::subscriber::set_global_default(subscriber)
        .map_err(|_| TelemetryError::AlreadyStarted)?;
    std::panic::set_hook(Box::new(|panic| {
        // The message may quote a value, as "byte index 5 is inside 'é' of ..." does.
        let place = panic.location().map_or_else(String::new, ToString::to_string);
        tracing::error!(place, "a panic was caught or ended a thread");
    }));
    Ok(())
}

fn subscriber<W>(
    format: LogFormat,
    filter: &str,
    writer: W,
) -> Result<Box<dyn Subscriber + Send + Sync>, TelemetryError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = EnvFilter::builder()
        .with_default_directive(LevelFilter::INFO.into())
        .with_regex(false)
        .parse(filter)?;
    let lines = tracing_subscriber::fmt::layer::<Registry>().with_writer(writer);
    let lines = match format {
        LogFormat::Text => lines.with_ansi(false).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).with_span_list(false).boxed(),
    };
    let lines = lines.with_filter(filter_fn(says_nothing_of_patients));
    Ok(Box::new(Registry::default().with(lines).with(filter)))
}

/// Below `warn` these libraries print URLs, headers, statements or frames.
fn says_nothing_of_patients(metadata: &Metadata<'_>) -> bool {
    let target = metadata.target().split("::").next().unwrap_or_default();
    *metadata.level() <= tracing::Level::WARN || !TALKATIVE.contains(&target)
}

const TALKATIVE: [&str; 12] = [
    "axum",
    "h2",
    "hyper",
    "hyper_util",
    "object_store",
    "openidconnect",
    "reqwest",
    "rustls",
    "sqlx",
    "sqlx_core",
    "tower_http",
    "tower_sessions",
];

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// Runs `work` and returns the lines it logged in JSON.
    pub(crate) async fn logged<T>(work: impl Future<Output = T>) -> (T, String) {
        let lines = Lines::default();
        let subscriber = subscriber(LogFormat::Json, "trace", lines.clone()).unwrap();
        let guard = tracing::subscriber::set_default(subscriber);
        let value = work.await;
        drop(guard);
        (value, lines.text())
    }

    #[test]
    fn a_line_of_text_and_a_line_of_json() {
        for (format, expected) in
            [(LogFormat::Text, "hello n=3"), (LogFormat::Json, r#""message":"hello","n":3"#)]
        {
            let lines = Lines::default();
            let subscriber = subscriber(format, "", lines.clone()).unwrap();

            tracing::subscriber::with_default(subscriber, || {
                tracing::info!(n = 3, "hello");
                tracing::debug!("too quiet to show");
            });

            let text = lines.text();
            assert!(text.contains(expected), "{text}");
            assert_eq!(text.lines().count(), 1, "{text}");
        }
    }

    #[test]
    fn talkative_libraries_stay_at_warn_whatever_the_filter_says() {
        let lines = Lines::default();
        let subscriber = subscriber(LogFormat::Text, "trace,sqlx=trace", lines.clone()).unwrap();

        tracing::subscriber::with_default(subscriber, || {
            tracing::debug!(target: "sqlx::query", "SELECT");
            tracing::info!(target: "hyper::proto", "GET /?q=secret");
            tracing::warn!(target: "sqlx::query", "slow");
            tracing::trace!(target: "carerecord_registry", "ours");
        });

        let text = lines.text();
        assert!(!text.contains("SELECT") && !text.contains("secret"), "{text}");
        assert!(text.contains("slow") && text.contains("ours"), "{text}");
    }

    #[test]
    fn a_filter_that_does_not_parse_is_refused() {
        let error = subscriber(LogFormat::Text, "info,=,=loud=", io::sink).err();

        assert!(matches!(error, Some(TelemetryError::Filter(_))));
    }

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Lines {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Lines {
        type Writer = Self;

        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }
}
