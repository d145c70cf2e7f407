//! The worker as a whole.

use std::sync::Arc;

use runtime::clock::Clock;
use runtime::queue::Queue;
use runtime::shutdown::Shutdown;

use crate::checks::antivirus::Scanner;
use crate::client::{Api, ApiError, Batch, HttpApi, TokenSource};
use crate::config::Config;
use crate::consumer::Consumer;
use crate::deps::Deps;
use crate::objects::Objects;

/// Takes jobs from the queue until it is told to stop.
pub struct Worker {
    deps: Arc<Deps>,
    queue: Arc<dyn Queue>,
}

impl Worker {
    /// A worker that reaches the API by its URL.
    #[expect(clippy::too_many_arguments, reason = "each is a part of its own")]
    pub fn new(
        config: Config,
        api_url: &str,
        tokens: Arc<dyn TokenSource>,
        queue: Arc<dyn Queue>,
        s3: aws_sdk_s3::Client,
        scanner: Arc<dyn Scanner>,
        signatures: &'static pronom::Signatures,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ApiError> {
        let api = HttpApi::new(api_url, &config.name, tokens, &config.api)?;
        let api = Arc::new(api);
        Ok(Self::with_api(
            config, api, queue, s3, scanner, signatures, clock,
        ))
    }

    /// A worker with an API of another kind.
    pub fn with_api(
        config: Config,
        api: Arc<dyn Api>,
        queue: Arc<dyn Queue>,
        s3: aws_sdk_s3::Client,
        scanner: Arc<dyn Scanner>,
        signatures: &'static pronom::Signatures,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let deps = Deps {
            check_reports: Batch::new(api.clone()),
            disposition_reports: Batch::new(api.clone()),
            fixity_reports: Batch::new(api.clone()),
            api,
            objects: Objects::new(s3, config.read.clone(), config.kms_key.clone()),
            scanner,
            signatures,
            clock,
            config,
        };
        Self {
            deps: Arc::new(deps),
            queue,
        }
    }

    /// Works until the soft signal, and returns when the last job has ended or was handed back.
    pub async fn run(self, shutdown: &Shutdown) {
        // An engine that does not answer may take its time to say so.
        let engine = self.deps.scanner.identity();
        let Some(engine) = shutdown.soft().run_until_cancelled(engine).await else {
            return;
        };
        tracing::info!(
            worker = self.deps.config.name,
            antivirus = engine.name,
            antivirus_version = engine.version,
            formats = self.deps.signatures.version(),
            "the worker begins"
        );
        Consumer::new(self.deps, self.queue, shutdown).run().await;
        tracing::info!("the worker has ended");
    }
}
