//! What the process says about itself.
//!
//! Owns where log lines go and in which form. Does not own what is logged.
//!
//! Always: standard output stays free for what the user asked for; the default says what an
//! operator must know and nothing else. The filter chooses lines, not spans: however little is
//! logged, a line that is has the ids of its request or job, and traces go on. A panic, and what
//! keeps a program from starting, are lines as all others.

pub mod measures;
mod panics;
pub mod trace;

use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};

use opentelemetry_sdk::trace::Tracer;
use tracing::{Level, Metadata, Subscriber, level_filters::LevelFilter};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::{FilterExt as _, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Filter, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

pub use trace::Traces;

/// Our own lines from `info`, everybody else's only when something is wrong. `s3s` calls every
/// answer an error that is not a success, an absent key included; `embedded` says what matters.
pub const DEFAULT_FILTER: &str =
    "warn,s3s=off,muniment=info,api=info,worker=info,embedded=info,runtime=info";

/// Whose spans are always there: they carry the ids of requests and jobs, and the trace.
const OWN: [&str; 5] = ["api", "embedded", "muniment", "runtime", "worker"];

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
/// Where it fails, lines are logged all the same, chosen by the default, so that the failure can be one of them.
pub fn init(
    service: &'static str,
    format: Format,
    filter: Option<&str>,
) -> Result<Traces, TelemetryError> {
    let mut problem = None;
    let traces = Traces::from_environment(service).unwrap_or_else(|error| {
        problem = Some(error);
        Traces::default()
    });
    let colour = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let with = |filter| subscriber(format, filter, colour, std::io::stderr, traces.tracer());
    let built = with(filter).or_else(|error| {
        problem = Some(error);
        with(None)
    });
    built?.try_init().map_err(|_| TelemetryError::Twice)?;
    NO_LINES.store(filter.is_some_and(lets_nothing_through), Ordering::Relaxed);
    panics::log();
    problem.map_or(Ok(traces), Err)
}

/// Says why a program did not start or did not end well, as a line of the log, also where none are wanted: nobody
/// would know why it is gone.
pub fn failed(program: &str, error: &str) {
    if NO_LINES.load(Ordering::Relaxed) {
        eprintln!("{program}: {error}");
    } else {
        tracing::error!(program, error, "it could not be carried out");
    }
}

/// Whether the filter lets no line through.
static NO_LINES: AtomicBool = AtomicBool::new(false);

fn lets_nothing_through(filter: &str) -> bool {
    EnvFilter::try_new(filter).is_ok_and(|filter| filter.max_level_hint() == Some(LevelFilter::OFF))
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
    let filter = filter.unwrap_or(DEFAULT_FILTER);
    let lines = tracing_subscriber::fmt::layer().with_writer(writer);
    let spans = match tracer {
        Some(tracer) => {
            let layer = tracing_opentelemetry::layer().with_tracer(tracer);
            Some(layer.with_filter(chosen(filter)?))
        }
        None => None,
    };
    let registry = tracing_subscriber::registry().with(spans);
    let chosen = chosen(filter)?;
    Ok(match format {
        Format::Text => Box::new(registry.with(lines.with_ansi(colour).with_filter(chosen))),
        Format::Json => {
            let lines = lines.json().flatten_event(true).with_filter(chosen);
            Box::new(registry.with(lines))
        }
    })
}

/// What the filter chooses, and our own spans, which it does not choose.
fn chosen<S: 'static>(filter: &str) -> Result<impl Filter<S> + use<S>, TelemetryError> {
    let own = filter_fn(is_own_span).with_max_level_hint(LevelFilter::INFO);
    Ok(EnvFilter::try_new(filter)?.or(own))
}

fn is_own_span(metadata: &Metadata<'_>) -> bool {
    metadata.is_span()
        && *metadata.level() <= Level::INFO
        && OWN.iter().any(|own| metadata.target().starts_with(own))
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

    /// What is written of what is said.
    pub(super) fn written(
        format: Format,
        filter: Option<&str>,
        tracer: Option<Tracer>,
        say: impl FnOnce(),
    ) -> String {
        let written = Written::default();
        let writer = written.clone();
        let writer = move || writer.clone();
        let subscriber = subscriber(format, filter, false, writer, tracer).unwrap();
        tracing::subscriber::with_default(subscriber, say);
        let bytes = written.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    fn lines(format: Format, filter: Option<&str>) -> String {
        written(format, filter, None, || {
            tracing::info!(target: "api", transfer = 7, "ours");
            tracing::debug!(target: "api", "our detail");
            tracing::info!(target: "hyper", "theirs");
            tracing::warn!(target: "hyper", "their trouble");
            tracing::error!(target: "s3s::ops", "no such key");
        })
    }

    #[test]
    fn a_line_has_the_ids_of_its_request_however_little_is_logged() {
        for filter in ["warn", "error", "off,worker=error"] {
            let text = written(Format::Json, Some(filter), None, || {
                let request = tracing::info_span!(target: "api::graphql", "request", id = "r-1");
                let _entered = request.enter();
                tracing::info!(target: "api", "nobody asked");
                tracing::error!(target: "worker", "in trouble");
            });
            let line: serde_json::Value = serde_json::from_str(text.trim()).unwrap();
            assert_eq!(line["message"], "in trouble", "{filter}");
            assert_eq!(line["span"]["id"], "r-1", "{filter}: {line}");
        }
    }

    #[test]
    fn spans_of_others_are_chosen_by_the_filter() {
        let text = written(Format::Text, Some("warn"), None, || {
            let theirs = tracing::info_span!(target: "hyper", "connection");
            let detail = tracing::debug_span!(target: "api", "detail");
            let (_theirs, _detail) = (theirs.enter(), detail.enter());
            tracing::error!(target: "api", "in trouble");
        });
        assert!(text.contains("in trouble"));
        assert!(!text.contains("connection") && !text.contains("detail"));
    }

    #[test]
    fn a_trace_goes_on_however_little_is_logged() {
        use opentelemetry::trace::TracerProvider as _;

        const TEXT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        for filter in ["warn", "off"] {
            let provider = opentelemetry_sdk::trace::SdkTracerProvider::builder().build();
            let tracer = provider.tracer("test");
            let text = written(Format::Json, Some(filter), Some(tracer), || {
                let span = tracing::info_span!(target: "api::graphql", "request");
                trace::go_on(&span, Some(TEXT));
                let carried = span.in_scope(trace::current).unwrap_or_default();
                assert_eq!(carried.get(..36), TEXT.get(..36), "{filter}: {carried}");
            });
            assert_eq!(text, "");
        }
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
