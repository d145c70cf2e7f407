//! How long operations take and how they end, for Prometheus.
//!
//! Owns what is measured: from when a request has come, whichever way, to its answer; of a subscription, to its first.
//! Does not own what an operation costs (`measure`).
//!
//! Always: the labels are fields of the schema, or [`OTHER`], so no client can make up any; what is refused before it
//! is executed is measured too.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, LazyLock},
    time::{Duration, Instant},
};

use async_graphql::{
    Response,
    parser::{
        parse_schema,
        types::{OperationType, TypeDefinition, TypeKind, TypeSystemDefinition},
    },
};
use futures::{StreamExt as _, stream::BoxStream};

use super::{document::Chosen, measure::Meter};

/// What begins with no field of the schema, or could not be read.
const OTHER: &str = "other";

/// What operations may begin with, by the type that they are asked of.
static FIELDS: LazyLock<HashMap<String, HashSet<String>>> = LazyLock::new(|| {
    let document = parse_schema(super::sdl()).map(|document| document.definitions);
    let definitions = document.unwrap_or_default().into_iter();
    let roots = definitions.filter_map(|definition| match definition {
        TypeSystemDefinition::Type(definition) => fields(definition.node),
        TypeSystemDefinition::Schema(_) | TypeSystemDefinition::Directive(_) => None,
    });
    roots.collect()
});

fn fields(definition: TypeDefinition) -> Option<(String, HashSet<String>)> {
    let name = definition.name.node.to_string();
    let TypeKind::Object(object) = definition.kind else {
        return None;
    };
    if !["Query", "Mutation", "Subscription"].contains(&name.as_str()) {
        return None;
    }
    let own = object.fields.into_iter();
    let own = own.map(|field| field.node.name.node.to_string());
    let all = own.chain(["__schema", "__type", "__typename"].map(str::to_owned));
    Some((name, all.collect()))
}

/// Reads the schema, so that no request waits for that.
pub(super) fn prepare() {
    LazyLock::force(&FIELDS);
}

fn label(chosen: &Chosen) -> &'static str {
    let asked_of = match chosen.ty {
        OperationType::Query => "Query",
        OperationType::Mutation => "Mutation",
        OperationType::Subscription => "Subscription",
    };
    let known = FIELDS.get(asked_of).zip(chosen.field.as_deref());
    let known = known.and_then(|(fields, field)| fields.get(field));
    known.map_or(OTHER, String::as_str)
}

/// The time of one operation.
#[derive(Debug)]
pub(super) struct Timing {
    began: Instant,
    operation: &'static str,
}

impl Timing {
    /// From now on.
    pub(super) fn begin() -> Self {
        Self {
            began: Instant::now(),
            operation: OTHER,
        }
    }

    /// Which operation it is, once that is known.
    pub(super) fn is_of(&mut self, chosen: &Chosen) {
        self.operation = label(chosen);
    }

    /// It was not executed.
    pub(super) fn refused(&self) {
        record(self.operation, "refused", self.began.elapsed());
    }

    /// It has this answer.
    pub(super) fn answered(&self, answer: &Response, meter: &Meter) {
        let outcome = if !meter.is_executed() {
            "refused"
        } else if answer.is_ok() {
            "ok"
        } else {
            "errors"
        };
        record(self.operation, outcome, self.began.elapsed());
    }

    /// It has the first of these answers.
    pub(super) fn first_of(
        self,
        answers: BoxStream<'static, Response>,
        meter: Arc<Meter>,
    ) -> BoxStream<'static, Response> {
        let mut timing = Some(self);
        answers
            .inspect(move |answer| {
                if let Some(timing) = timing.take() {
                    timing.answered(answer, &meter);
                }
            })
            .boxed()
    }
}

fn record(operation: &'static str, outcome: &'static str, took: Duration) {
    metrics::histogram!(
        "muniment_api_request_seconds", "operation" => operation, "outcome" => outcome
    )
    .record(took.as_secs_f64());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graphql::limits::Shape;

    #[test]
    fn no_client_makes_up_a_label() {
        let label = |ty, field: &str| {
            label(&Chosen {
                ty,
                shape: Shape::default(),
                field: Some(field.to_owned()),
            })
        };
        let labels = [
            label(OperationType::Mutation, "completeUploads"),
            label(OperationType::Query, "node"),
            label(OperationType::Subscription, "transferProgress"),
            label(OperationType::Query, "__typename"),
            label(OperationType::Query, "completeUploads"),
            label(OperationType::Query, "x1"),
        ];
        assert_eq!(
            labels,
            [
                "completeUploads",
                "node",
                "transferProgress",
                "__typename",
                "other",
                "other"
            ]
        );
    }
}
