//! What workers report of fixity checks.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use super::super::{
    Digests, Finding,
    reports::{self, FixityReport},
};
use crate::{
    Error,
    graphql::{
        context::{app, caller},
        errors::Result,
        ids::check_count,
        scalars::BigInt,
    },
    jobs::{
        claim::MAX_JOBS,
        graphql::{ReportOutcome, work::held},
    },
};

/// What workers found.
#[derive(InputObject)]
pub(crate) struct ReportFixityInput {
    /// 1 to 50, one a job.
    reports: Vec<FixityReportInput>,
}

/// What a worker found of one thing.
#[derive(InputObject)]
pub(crate) struct FixityReportInput {
    /// Of which job.
    job_id: ID,
    /// Proof of having it.
    lease_token: String,
    /// What its bytes amount to; null: the object store says that there is no such object. What could not be
    /// read is no report: `failJobs` says so.
    measured: Option<FixityMeasuredInput>,
    /// The tag of the bytes that were read.
    object_etag: Option<String>,
    /// What read them, and its version: 1 to 200 characters.
    engine: String,
}

/// What bytes amount to.
#[derive(InputObject)]
pub(crate) struct FixityMeasuredInput {
    /// How many there are.
    size: BigInt,
    /// 64 hex digits.
    sha256: String,
    /// 128 hex digits.
    sha512: String,
}

impl FixityReportInput {
    fn parse(self, path: &str) -> std::result::Result<FixityReport, Error> {
        let finding = match self.measured {
            Some(measured) => Finding::Measured(measured.parse(&format!("{path}.measured"))?),
            None => Finding::Missing,
        };
        Ok(FixityReport {
            held: held(&self.job_id, self.lease_token, path)?,
            finding,
            object_etag: self.object_etag.filter(|etag| !etag.is_empty()),
            engine: self.engine,
        })
    }
}

impl FixityMeasuredInput {
    fn parse(self, path: &str) -> std::result::Result<Digests, Error> {
        if self.size.0 < 0 {
            let message = "this is at least 0";
            return Err(Error::input(format!("{path}.size"), message));
        }
        Ok(Digests {
            size: self.size.0,
            sha256: hex_digits(self.sha256, 64, &format!("{path}.sha256"))?,
            sha512: Some(hex_digits(self.sha512, 128, &format!("{path}.sha512"))?),
        })
    }
}

fn hex_digits(mut text: String, length: usize, path: &str) -> std::result::Result<String, Error> {
    text.make_ascii_lowercase();
    if text.len() != length || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(Error::input(
            path,
            format!("this is written as {length} hex digits"),
        ));
    }
    Ok(text)
}

/// One answer a report, in the order told.
#[derive(SimpleObject)]
pub(crate) struct ReportFixityPayload {
    /// The answers.
    outcomes: Vec<ReportOutcome>,
}

/// What workers report.
#[derive(Default)]
pub struct FixityWorkMutation;

#[Object]
impl FixityWorkMutation {
    /// Writes down what was found of things that are kept, 1 to 50 jobs a call: repeating it is harmless. The
    /// API compares. Workers only.
    async fn report_fixity(
        &self,
        ctx: &Context<'_>,
        input: ReportFixityInput,
    ) -> Result<ReportFixityPayload> {
        check_count(input.reports.len(), "input.reports", MAX_JOBS)?;
        let reports = input
            .reports
            .into_iter()
            .enumerate()
            .map(|(index, report)| report.parse(&format!("input.reports.{index}")))
            .collect::<std::result::Result<Vec<_>, _>>()?;
        let outcomes = reports::report(app(ctx)?, caller(ctx)?, &reports).await?;
        Ok(ReportFixityPayload {
            outcomes: outcomes.into_iter().map(Into::into).collect(),
        })
    }
}
