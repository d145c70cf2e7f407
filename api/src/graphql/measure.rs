//! What a request costs, and how far it came.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use async_graphql::{
    Response, ServerError, ValidationResult, Value,
    extensions::{Extension, ExtensionContext, ExtensionFactory, NextExecute, NextValidation},
};

use super::{errors, limits::QueryLimits};

/// What was found out about one request.
#[derive(Debug, Default)]
pub(super) struct Meter {
    tokens: usize,
    complexity: AtomicUsize,
    depth: AtomicUsize,
    executed: AtomicBool,
}

impl Meter {
    pub(super) fn new(tokens: usize) -> Self {
        Self {
            tokens,
            ..Self::default()
        }
    }

    /// Whether it came to be executed: what fails before has no data, not even none.
    pub(super) fn is_executed(&self) -> bool {
        self.executed.load(Ordering::Relaxed)
    }

    /// For whoever asks what a request costs.
    pub(super) fn cost(&self, limits: &QueryLimits) -> Value {
        let figures = [
            ("complexity", self.complexity.load(Ordering::Relaxed)),
            ("complexityLimit", limits.complexity),
            ("depth", self.depth.load(Ordering::Relaxed)),
            ("depthLimit", limits.depth),
            ("tokens", self.tokens),
            ("tokensLimit", limits.tokens),
        ];
        Value::Object(
            figures
                .into_iter()
                .map(|(name, figure)| (async_graphql::Name::new(name), figure.into()))
                .collect(),
        )
    }
}

/// Puts a [`Meter`] to each request that has one, and refuses what costs too much.
pub(super) struct Measuring(pub(super) Arc<QueryLimits>);

impl ExtensionFactory for Measuring {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(Self(Arc::clone(&self.0)))
    }
}

fn meter<'a>(ctx: &ExtensionContext<'a>) -> Option<&'a Arc<Meter>> {
    ctx.data_opt::<Arc<Meter>>()
}

#[async_trait::async_trait]
impl Extension for Measuring {
    async fn validation(
        &self,
        ctx: &ExtensionContext<'_>,
        next: NextValidation<'_>,
    ) -> Result<ValidationResult, Vec<ServerError>> {
        let result = next.run(ctx).await?;
        if let Some(meter) = meter(ctx) {
            meter.complexity.store(result.complexity, Ordering::Relaxed);
            meter.depth.store(result.depth, Ordering::Relaxed);
        }
        match self.0.check_cost(result.complexity) {
            Ok(()) => Ok(result),
            Err(error) => Err(vec![errors::server_error(error)]),
        }
    }

    async fn execute(
        &self,
        ctx: &ExtensionContext<'_>,
        operation_name: Option<&str>,
        next: NextExecute<'_>,
    ) -> Response {
        if let Some(meter) = meter(ctx) {
            meter.executed.store(true, Ordering::Relaxed);
        }
        next.run(ctx, operation_name).await
    }
}
