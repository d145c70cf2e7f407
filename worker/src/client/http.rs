//! The API over HTTP.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use contract::JobId;
use futures::StreamExt;
use graphql_client::{GraphQLQuery, QueryBody};
use runtime::backoff::{self, Policy};
use runtime::telemetry::trace;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::error::looks_like_graphql;
use super::typed::{
    self, ClaimJobs, ExportEvents, ExportItems, ExtendLeases, FailJobs, ReportChecks,
    ReportDispositions, ReportExport, ReportFixity, ReportUploads, id,
};
use super::{
    Api, ApiError, CheckReport, ChecksOutcome, Claim, DispositionReport, EventPage, ExportAnswer,
    ExportItem, ExportReport, Extended, Failure, FixityReport, ItemPage, LeaseKey, ReportOutcome,
    TokenSource, UploadOutcome,
};
use crate::uploads::event::Written;

/// A page of 500 items, each with metadata of its own, stays well below this.
const LARGEST_ANSWER: usize = 64 * 1024 * 1024;

/// How long, and how often, the API is waited for.
#[derive(Debug, Clone)]
pub struct ApiSettings {
    /// How long a connection may take to be made.
    pub connect_timeout: Duration,
    /// How long a request may take with its answer.
    pub request_timeout: Duration,
    /// How often a request is sent, and how far apart.
    pub retry: Policy,
}

impl Default for ApiSettings {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            // The API gives up after 60 s by itself, and says so.
            request_timeout: Duration::from_secs(75),
            retry: Policy {
                first: Duration::from_millis(200),
                cap: Duration::from_secs(5),
                attempts: NonZeroU32::MIN.saturating_add(5),
            },
        }
    }
}

/// The API, reached by its URL.
pub struct HttpApi {
    url: String,
    worker: String,
    http: reqwest::Client,
    tokens: Arc<dyn TokenSource>,
    retry: Policy,
}

/// An HTTP client for a server. One on this machine is not reached through a proxy of the environment.
pub fn client_for(url: &str) -> reqwest::ClientBuilder {
    let builder = reqwest::Client::builder();
    let url = reqwest::Url::parse(url).ok();
    let host = url.as_ref().and_then(reqwest::Url::host_str);
    if host.is_some_and(runtime::net::is_loopback) {
        builder.no_proxy()
    } else {
        builder
    }
}

impl HttpApi {
    /// `url` is that of the GraphQL endpoint; `worker` is the name that leases are taken under.
    pub fn new(
        url: &str,
        worker: &str,
        tokens: Arc<dyn TokenSource>,
        settings: &ApiSettings,
    ) -> Result<Self, ApiError> {
        let http = client_for(url)
            .connect_timeout(settings.connect_timeout)
            .timeout(settings.request_timeout)
            .user_agent(concat!("muniment-worker/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| ApiError::from_http(&error))?;
        Ok(Self {
            url: url.to_owned(),
            worker: worker.to_owned(),
            http,
            tokens,
            retry: settings.retry,
        })
    }

    async fn ask<Q: GraphQLQuery>(
        &self,
        variables: Q::Variables,
    ) -> Result<Q::ResponseData, ApiError>
    where
        Q::Variables: Sync,
    {
        let body = Q::build_query(variables);
        // A refused token is replaced once: a second refusal is meant for the worker, not for the token.
        let refusals = AtomicU32::new(0);
        let retryable =
            |error: &ApiError| error.is_retryable() && refusals.load(Ordering::Relaxed) < 2;
        backoff::retry(&self.retry, retryable, || async {
            let token = self.tokens.token().await?;
            let answer = self.ask_once::<Q>(&body, &token).await;
            if let Err(error) = &answer {
                tracing::debug!(operation = body.operation_name, %error, "the API did not answer");
                if error.is_unauthenticated() {
                    refusals.fetch_add(1, Ordering::Relaxed);
                    self.tokens.refused(&token);
                }
            }
            answer
        })
        .await
    }

    /// Claims jobs under a key, by which a request that is sent again is known.
    async fn claim(
        &self,
        jobs: &[JobId],
        lease: Duration,
        claim_key: Option<String>,
    ) -> Result<Vec<Claim>, ApiError> {
        use typed::claim_jobs::{ClaimJobsInput, Variables};
        let input = ClaimJobsInput {
            job_ids: jobs.iter().map(ToString::to_string).collect(),
            worker: self.worker.clone(),
            lease_seconds: seconds(lease),
            claim_key,
        };
        let answer = self.ask::<ClaimJobs>(Variables { input }).await?;
        let claims = answer.claim_jobs.claims.into_iter();
        claims.map(Claim::try_from).collect()
    }

    async fn ask_once<Q: GraphQLQuery>(
        &self,
        body: &QueryBody<Q::Variables>,
        token: &SecretString,
    ) -> Result<Q::ResponseData, ApiError>
    where
        Q::Variables: Serialize + Sync,
    {
        let mut request = self.http.post(&self.url);
        if let Some(traceparent) = trace::current() {
            request = request.header(trace::TRACEPARENT, traceparent);
        }
        let response = request
            .bearer_auth(token.expose_secret())
            .header(
                "accept",
                "application/graphql-response+json, application/json;q=0.9",
            )
            .json(body)
            .send()
            .await
            .map_err(|error| ApiError::from_http(&error))?;
        let status = response.status();
        let text = bounded(response).await?;
        let json: serde_json::Value = match serde_json::from_slice(&text) {
            Ok(json) if looks_like_graphql(&json) => json,
            _ if status.is_success() => return Err(ApiError::malformed("no GraphQL answer")),
            _ => return Err(ApiError::Status(status.as_u16())),
        };
        // Errors first: beside them, the data may be in pieces.
        let errors: Option<Vec<graphql_client::Error>> = json
            .get("errors")
            .map(Option::<Vec<_>>::deserialize)
            .transpose()
            .map_err(ApiError::malformed)?
            .flatten();
        if let Some(error) = errors.as_deref().and_then(ApiError::from_graphql) {
            return Err(error);
        }
        let answer: graphql_client::Response<Q::ResponseData> =
            serde_json::from_value(json).map_err(ApiError::malformed)?;
        answer
            .data
            .ok_or_else(|| ApiError::malformed("neither data nor errors"))
    }
}

async fn bounded(response: reqwest::Response) -> Result<Vec<u8>, ApiError> {
    let mut text = Vec::new();
    let mut chunks = response.bytes_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| ApiError::from_http(&error))?;
        if text.len() + chunk.len() > LARGEST_ANSWER {
            return Err(ApiError::malformed("the answer is too large"));
        }
        text.extend_from_slice(&chunk);
    }
    Ok(text)
}

fn seconds(lease: Duration) -> Option<i64> {
    i64::try_from(lease.as_secs()).ok()
}

#[async_trait]
impl Api for HttpApi {
    async fn claim_jobs(&self, jobs: &[JobId], lease: Duration) -> Result<Vec<Claim>, ApiError> {
        let key = hex::encode(rand::random::<[u8; 16]>());
        match self.claim(jobs, lease, Some(key)).await {
            // An API of the version before, which a rollout replaces beside its workers.
            Err(error) if error.knows_no("claimKey") => self.claim(jobs, lease, None).await,
            answer => answer,
        }
    }

    async fn extend_leases(
        &self,
        leases: &[LeaseKey],
        lease: Duration,
    ) -> Result<Vec<Extended>, ApiError> {
        use typed::extend_leases::{ExtendLeasesInput, JobLeaseInput, Variables};
        let input = ExtendLeasesInput {
            leases: leases
                .iter()
                .map(|key| JobLeaseInput {
                    job_id: key.job.to_string(),
                    lease_token: key.token.clone(),
                })
                .collect(),
            lease_seconds: seconds(lease),
        };
        let answer = self.ask::<ExtendLeases>(Variables { input }).await?;
        let outcomes = answer.extend_leases.outcomes.into_iter();
        outcomes
            .map(|outcome| {
                Ok(Extended {
                    job: id(&outcome.job_id)?,
                    lost: outcome.lost,
                    cancelled: outcome.cancelled,
                })
            })
            .collect()
    }

    async fn report_checks(&self, reports: &[CheckReport]) -> Result<Vec<ChecksOutcome>, ApiError> {
        use typed::report_checks::{ReportChecksInput, Variables};
        let input = ReportChecksInput {
            reports: reports.iter().map(Into::into).collect(),
        };
        let answer = self.ask::<ReportChecks>(Variables { input }).await?;
        let outcomes = answer.report_checks.outcomes.into_iter();
        outcomes
            .map(|outcome| {
                Ok(ChecksOutcome {
                    report: ReportOutcome {
                        job: id(&outcome.job_id)?,
                        status: outcome.status,
                        message: outcome.message,
                    },
                    next: outcome.next.map(Claim::try_from).transpose()?,
                })
            })
            .collect()
    }

    async fn report_dispositions(
        &self,
        reports: &[DispositionReport],
    ) -> Result<Vec<ReportOutcome>, ApiError> {
        use typed::report_dispositions::{
            DispositionReportInput, ReportDispositionsInput, Variables,
        };
        let input = ReportDispositionsInput {
            reports: reports
                .iter()
                .map(|report| DispositionReportInput {
                    job_id: report.lease.job.to_string(),
                    lease_token: report.lease.token.clone(),
                    outcome: report.outcome,
                    etag: report.etag.clone(),
                    detail: report.detail.clone(),
                })
                .collect(),
        };
        let answer = self.ask::<ReportDispositions>(Variables { input }).await?;
        let outcomes = answer.report_dispositions.outcomes.into_iter();
        outcomes
            .map(|outcome| {
                Ok(ReportOutcome {
                    job: id(&outcome.job_id)?,
                    status: outcome.status,
                    message: outcome.message,
                })
            })
            .collect()
    }

    async fn report_fixity(
        &self,
        reports: &[FixityReport],
    ) -> Result<Vec<ReportOutcome>, ApiError> {
        use typed::report_fixity::{ReportFixityInput, Variables};
        let input = ReportFixityInput {
            reports: reports.iter().map(Into::into).collect(),
        };
        let answer = self.ask::<ReportFixity>(Variables { input }).await?;
        let outcomes = answer.report_fixity.outcomes.into_iter();
        outcomes
            .map(|outcome| {
                Ok(ReportOutcome {
                    job: id(&outcome.job_id)?,
                    status: outcome.status,
                    message: outcome.message,
                })
            })
            .collect()
    }

    async fn report_export(
        &self,
        lease: &LeaseKey,
        report: &ExportReport,
    ) -> Result<ExportAnswer, ApiError> {
        use typed::report_export::{ReportExportInput, Variables};
        let input = ReportExportInput::new(lease, report);
        let answer = self.ask::<ReportExport>(Variables { input }).await?;
        Ok(ExportAnswer {
            status: answer.report_export.status,
            cancelled: answer.report_export.cancelled,
        })
    }

    async fn fail_jobs(&self, failures: &[Failure]) -> Result<Vec<ReportOutcome>, ApiError> {
        use typed::fail_jobs::{FailJobsInput, JobFailureInput, Variables};
        let input = FailJobsInput {
            failures: failures
                .iter()
                .map(|failure| JobFailureInput {
                    job_id: failure.lease.job.to_string(),
                    lease_token: failure.lease.token.clone(),
                    kind: failure.kind,
                    reason: failure.reason.clone(),
                })
                .collect(),
        };
        let answer = self.ask::<FailJobs>(Variables { input }).await?;
        let outcomes = answer.fail_jobs.outcomes.into_iter();
        outcomes
            .map(|outcome| {
                Ok(ReportOutcome {
                    job: id(&outcome.job_id)?,
                    status: outcome.status,
                    message: outcome.message,
                })
            })
            .collect()
    }

    async fn report_uploads(&self, written: &[Written]) -> Result<Vec<UploadOutcome>, ApiError> {
        use typed::report_uploads::{ReportUploadInput, ReportUploadsInput, Variables};
        let input = ReportUploadsInput {
            uploads: written
                .iter()
                .map(|written| ReportUploadInput {
                    bucket: written.bucket.clone(),
                    key: written.key.clone(),
                })
                .collect(),
        };
        let answer = self.ask::<ReportUploads>(Variables { input }).await?;
        let outcomes = answer.report_uploads.outcomes.into_iter();
        Ok(outcomes.map(|outcome| outcome.status).collect())
    }

    async fn export_items(
        &self,
        lease: &LeaseKey,
        first: u32,
        after: Option<&str>,
    ) -> Result<ItemPage, ApiError> {
        let variables = typed::export_items::Variables {
            job_id: lease.job.to_string(),
            lease_token: lease.token.clone(),
            first: i64::from(first),
            after: after.map(str::to_owned),
        };
        let answer = self.ask::<ExportItems>(variables).await?;
        let nodes = answer.export_items.nodes.into_iter();
        let page = answer.export_items.page_info;
        Ok(ItemPage {
            items: nodes
                .map(ExportItem::try_from)
                .collect::<Result<_, ApiError>>()?,
            next: page.end_cursor.filter(|_| page.has_next_page),
        })
    }

    async fn export_events(
        &self,
        lease: &LeaseKey,
        first: u32,
        after: Option<&str>,
    ) -> Result<EventPage, ApiError> {
        let variables = typed::export_events::Variables {
            job_id: lease.job.to_string(),
            lease_token: lease.token.clone(),
            first: i64::from(first),
            after: after.map(str::to_owned),
        };
        let answer = self.ask::<ExportEvents>(variables).await?;
        let page = answer.export_events.page_info;
        Ok(EventPage {
            events: answer
                .export_events
                .nodes
                .into_iter()
                .map(Into::into)
                .collect(),
            next: page.end_cursor.filter(|_| page.has_next_page),
        })
    }
}
