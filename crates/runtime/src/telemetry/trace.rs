//! Traces, sent over OTLP (HTTP, protobuf) where the environment names a collector, and their context as the
//! W3C has it (<https://www.w3.org/TR/trace-context/#traceparent-header>).
//!
//! Owns what of OpenTelemetry is seen elsewhere: a text that is carried along. Does not own spans: they are
//! those of `tracing`.
//!
//! Always: without a collector nothing is kept and nothing is sent; a collector that is away delays nobody.

use std::collections::HashMap;

use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{TraceContextExt, TracerProvider};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{SdkTracerProvider, Tracer};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use super::TelemetryError;
use crate::config::Settings;

/// The name of the header, and of the field of a message.
pub const TRACEPARENT: &str = "traceparent";

/// Sends what is left when it is dropped.
#[derive(Debug, Default)]
pub struct Traces(Option<SdkTracerProvider>);

impl Traces {
    /// As the environment has it (`OTEL_EXPORTER_OTLP_ENDPOINT` and the other settings of OpenTelemetry), as
    /// the service of this name.
    pub(super) fn from_environment(service: &'static str) -> Result<Self, TelemetryError> {
        let environment = Settings::from_env("OTEL_");
        let wanted = environment.read(|read| {
            read.ignore("OTEL_");
            read.is_set("OTEL_EXPORTER_OTLP_ENDPOINT")
                || read.is_set("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
        });
        if !wanted.unwrap_or(false) {
            return Ok(Self::default());
        }
        let exporter = SpanExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .build()
            .map_err(|error| TelemetryError::Traces(error.to_string()))?;
        let resource = Resource::builder().with_service_name(service).build();
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(resource)
            .build();
        Ok(Self(Some(provider)))
    }

    pub(super) fn tracer(&self) -> Option<Tracer> {
        self.0.as_ref().map(|provider| provider.tracer("muniment"))
    }
}

impl Drop for Traces {
    fn drop(&mut self) {
        if let Some(provider) = self.0.take()
            && let Err(error) = provider.shutdown()
        {
            tracing::warn!(%error, "the last traces were not sent");
        }
    }
}

/// The context of the current span, to be carried along; `None` where nobody traces.
pub fn current() -> Option<String> {
    let context = Span::current().context();
    if !context.span().span_context().is_valid() {
        return None;
    }
    let mut fields = HashMap::new();
    TraceContextPropagator::new().inject_context(&context, &mut fields);
    fields.remove(TRACEPARENT)
}

/// Has a span go on with a trace that somebody else began. What is no context changes nothing.
pub fn go_on(span: &Span, traceparent: Option<&str>) {
    let Some(text) = traceparent.filter(|text| text.len() <= 100) else {
        return;
    };
    let fields = HashMap::from([(TRACEPARENT.to_owned(), text.to_owned())]);
    let context = TraceContextPropagator::new().extract(&fields);
    if context.span().span_context().is_valid() {
        // It fails only where nobody traces.
        drop(span.set_parent(context));
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    const TEXT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn a_trace_goes_on_under_the_same_id() {
        let provider = SdkTracerProvider::builder().build();
        let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            let span = tracing::info_span!("job");
            go_on(&span, Some(TEXT));
            let carried = span.in_scope(current).unwrap_or_default();
            assert_eq!(carried.get(..36), TEXT.get(..36), "{carried}");
            assert_ne!(carried, TEXT, "it is a span of its own");
            let other = tracing::info_span!("job");
            go_on(&other, Some("nonsense"));
            let carried = other.in_scope(current).unwrap_or_default();
            assert_ne!(carried.get(..36), TEXT.get(..36));
        });
    }

    #[test]
    fn where_nobody_traces_nothing_is_carried() {
        assert_eq!(current(), None);
    }
}
