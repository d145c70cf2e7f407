//! What the process says about itself.
//!
//! Owns where log lines go and in which form. Does not own what is logged.
//!
//! Always: standard output stays free for what the user asked for; the default says what an
//! operator must know and nothing else.

pub mod measures;
pub mod trace;

use std::str::FromStr;

use opentelemetry_sdk::trace::Tracer;
use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

pub use trace::Traces;

/// Our own lines from `info`, everybody else's only when something is wrong. `s3s` calls every
/// answer an error that is not a success, an absent key included; `embedded` says what matters.
pub const DEFAULT_FILTER: &str =
    "warn,s3s=off,muniment=info,api=info,worker=info,embedded=info,runtime=info";

/// The form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// For people: one line of text, coloured on a terminal.
    #[default]
    Text,
    /// For machines: one JSON object a line.
    Json,
}

impl FromStr for Format {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(()),
        }
    }
}

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter is not one.
    #[error("the log filter is not valid: {0}")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// Traces cannot be sent.
    #[error("traces cannot be sent: {0}")]
    Traces(String),
    /// Somebody was first.
    #[error("logging was set up before")]
    Twice,
}

/// Sends log lines to standard error, chosen by `filter` ([`DEFAULT_FILTER`] if none), and traces of this
/// service to the collector that the environment names, if it does. What is answered is to be dropped last.
pub fn init(
    service: &'static str,
    format: Format,
    filter: Option<&str>,
) -> Result<Traces, TelemetryError> {
    let terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let traces = Traces::from_environment(service)?;
    subscriber(format, filter, terminal, std::io::stderr, traces.tracer())?
        .try_init()
        .map_err(|_| TelemetryError::Twice)?;
    Ok(traces)
}

fn subscriber<W>(
    format: Format,
    filter: Option<&str>,
    colour: bool,
    writer: W,
    tracer: Option<Tracer>,
) -> Result<Box<dyn Subscriber + Send + Sync>, TelemetryError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = EnvFilter::try_new(filter.unwrap_or(DEFAULT_FILTER))?;
    let lines = tracing_subscriber::fmt::layer().with_writer(writer);
    let spans = tracer.map(|tracer| tracing_opentelemetry::layer().with_tracer(tracer));
    let registry = tracing_subscriber::registry().with(filter).with(spans);
    Ok(match format {
        Format::Text => Box::new(registry.with(lines.with_ansi(colour))),
        Format::Json => Box::new(registry.with(lines.json().flatten_event(true))),
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may")]
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn lines(format: Format, filter: Option<&str>) -> String {
        let written = Written::default();
        let writer = written.clone();
        let subscriber = subscriber(format, filter, false, move || writer.clone(), None).unwrap();
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(target: "api", transfer = 7, "ours");
            tracing::debug!(target: "api", "our detail");
            tracing::info!(target: "hyper", "theirs");
            tracing::warn!(target: "hyper", "their trouble");
            tracing::error!(target: "s3s::ops", "no such key");
        });
        let bytes = written.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn by_default_others_are_heard_only_when_something_is_wrong() {
        let text = lines(Format::Text, None);
        let said = [
            "ours",
            "our detail",
            "theirs",
            "their trouble",
            "no such key",
        ];
        let heard = said.map(|said| text.contains(said));
        assert_eq!(heard, [true, false, false, true, false]);
    }

    #[test]
    fn a_filter_replaces_the_default() {
        let text = lines(Format::Text, Some("error,api=debug"));
        assert!(text.contains("our detail") && !text.contains("their trouble"));
    }

    #[test]
    fn json_lines_are_json() {
        let text = lines(Format::Json, Some("api=info"));
        let line: serde_json::Value = serde_json::from_str(text.trim()).unwrap();
        assert_eq!(
            (&line["message"], &line["transfer"]),
            (&"ours".into(), &7.into())
        );
    }

    #[test]
    fn a_filter_that_is_none_is_refused() {
        let refused = subscriber(Format::Text, Some("api=loud"), false, std::io::sink, None);
        assert!(matches!(refused, Err(TelemetryError::Filter(_))));
    }
}
