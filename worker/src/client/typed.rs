//! The operations as the build typed them from `operations/*.graphql` and `schema.graphql`, and
//! the way between their types and ours.

use std::str::FromStr;

use graphql_client::GraphQLQuery;

use super::{
    ApiError, CheckReport, CheckResult, CheckStatus, CheckToRun, CheckWork, Claim, ClaimOutcome,
    DispositionOutcome, DispositionWork, Evidence, ExportEvent, ExportEvidence, ExportItem,
    ExportReport, ExportReportStatus, ExportWork, FailureKind, FixityReport, FixityWork,
    FormatBasis, FormatEvidence, Granted, ItemCheck, ItemFormat, Lease, LeaseKey, ObjectLocation,
    ReportStatus, ResultStatus, UploadOutcome as UploadReportStatus, Work,
};

type BigInt = u64;
type DateTime = chrono::DateTime<chrono::Utc>;
#[expect(
    clippy::upper_case_acronyms,
    reason = "the scalar's name in the schema"
)]
type JSON = serde_json::Value;

macro_rules! operations {
    ($($name:ident from $path:tt;)*) => {$(
        #[derive(GraphQLQuery)]
        #[graphql(
            schema_path = "../schema.graphql",
            query_path = $path,
            response_derives = "Debug",
            skip_serializing_none,
            extern_enums(
                "CheckStatus", "ClaimOutcome", "DispositionOutcome",
                "ExportReportStatus", "FailureKind", "FormatBasis", "ReportStatus", "ResultStatus",
                "UploadReportStatus"
            )
        )]
        pub(super) struct $name;
    )*

        /// The documents of all operations, as they are sent. One file may hold several.
        pub fn documents() -> &'static [&'static str] {
            &[$(include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/", $path))),*]
        }
    };
}

operations! {
    ClaimJobs from "src/client/operations/claims.graphql";
    ExtendLeases from "src/client/operations/extend_leases.graphql";
    ReportChecks from "src/client/operations/claims.graphql";
    ReportDispositions from "src/client/operations/report_dispositions.graphql";
    ReportFixity from "src/client/operations/report_fixity.graphql";
    ReportUploads from "src/client/operations/report_uploads.graphql";
    ReportExport from "src/client/operations/report_export.graphql";
    FailJobs from "src/client/operations/fail_jobs.graphql";
    ExportItems from "src/client/operations/export_items.graphql";
    ExportEvents from "src/client/operations/export_events.graphql";
}

pub(super) fn id<T>(text: &str) -> Result<T, ApiError>
where
    T: FromStr,
    T::Err: std::fmt::Display,
{
    text.parse()
        .map_err(|error| ApiError::Malformed(format!("{text:?}: {error}")))
}

fn count(number: i64) -> Result<u32, ApiError> {
    u32::try_from(number).map_err(ApiError::malformed)
}

/// Turns the generated `Location` of a module into ours.
macro_rules! location_from {
    ($($module:ident),*) => {$(
        impl From<$module::Location> for ObjectLocation {
            fn from(location: $module::Location) -> Self {
                Self {
                    bucket: location.bucket,
                    key: location.key,
                    etag: location.etag,
                }
            }
        }
    )*};
}

location_from!(claim_jobs, report_checks, export_items);

/// A claim comes with two operations, each with generated types of its own.
macro_rules! claim_from {
    ($($module:ident),*) => {$(
        impl TryFrom<$module::ClaimFields> for Claim {
            type Error = ApiError;

            fn try_from(claim: $module::ClaimFields) -> Result<Self, ApiError> {
                let job = id(&claim.job_id)?;
                let granted = match (claim.lease, claim.work) {
                    (Some(lease), Some(work)) => Some(Granted {
                        lease: Lease {
                            key: LeaseKey { job, token: lease.token },
                            attempt: count(lease.attempt)?,
                            max_attempts: count(lease.max_attempts)?,
                        },
                        work: work.try_into()?,
                    }),
                    _ if claim.outcome == ClaimOutcome::Claimed => {
                        return Err(ApiError::malformed("CLAIMED without lease and work"));
                    }
                    _ => None,
                };
                Ok(Self { job, outcome: claim.outcome, granted })
            }
        }

        impl TryFrom<$module::ClaimFieldsWork> for Work {
            type Error = ApiError;

            fn try_from(work: $module::ClaimFieldsWork) -> Result<Self, ApiError> {
                use $module::ClaimFieldsWork as Typed;
                Ok(match work {
                    Typed::CheckWork(work) => Self::Check(CheckWork {
                        file_name: work.file_name,
                        size: work.size,
                        sha256: work.sha256,
                        object: work.object.into(),
                        checks: work
                            .checks
                            .into_iter()
                            .map(|check| CheckToRun { kind: check.kind, run: check.run })
                            .collect(),
                    }),
                    Typed::DispositionWork(work) => Self::Disposition(DispositionWork {
                        size: work.size,
                        source: work.source.into(),
                        target: work.target.into(),
                    }),
                    Typed::FixityWork(work) => Self::Fixity(FixityWork {
                        object: work.object.into(),
                    }),
                    Typed::ExportWork(work) => Self::Export(ExportWork {
                        export: id(&work.export_id)?,
                        reference: work.reference,
                        target: work.target.into(),
                        files: u64::from(count(work.files)?),
                        as_of: work.as_of,
                        bag_info: work
                            .bag_info
                            .into_iter()
                            .map(|entry| (entry.label, entry.value))
                            .collect(),
                        evidence: work.evidence.map(|evidence| ExportEvidence {
                            checkpoint: evidence.checkpoint,
                            checkpoint_key: evidence.checkpoint_key,
                        }),
                    }),
                })
            }
        }
    )*};
}

claim_from!(claim_jobs, report_checks);

impl TryFrom<export_items::ExportItemsExportItemsNodes> for ExportItem {
    type Error = ApiError;

    fn try_from(item: export_items::ExportItemsExportItemsNodes) -> Result<Self, ApiError> {
        Ok(Self {
            record: id(&item.record_id)?,
            record_reference: item.record_reference,
            description: item.description,
            metadata: item.metadata,
            path: item.path,
            payload_path: item.payload_path,
            version: id(&item.version_id)?,
            file_name: item.file_name,
            size: item.size,
            sha256: item.sha256,
            sha512: item.sha512,
            last_modified: item.last_modified,
            object: item.object.into(),
            format: item.format.map(|format| ItemFormat {
                puid: format.puid,
                name: format.name,
            }),
            format_check: item.format_check.map(ItemCheck::from),
            antivirus_check: item.antivirus_check.map(ItemCheck::from),
            extension_mismatch: item.extension_mismatch,
        })
    }
}

impl From<export_events::ExportEventsExportEventsNodes> for ExportEvent {
    fn from(event: export_events::ExportEventsExportEventsNodes) -> Self {
        Self {
            entry: event.entry,
            leaf: event.leaf_index,
            proof: event.hashes,
        }
    }
}

impl From<export_items::CheckFields> for ItemCheck {
    fn from(check: export_items::CheckFields) -> Self {
        Self {
            status: check.status,
            engine: check.engine,
            engine_version: check.engine_version,
            signature_version: check.signature_version,
            coverage: check
                .coverage
                .map(|coverage| (coverage.bytes, coverage.size)),
            detail: check.detail,
        }
    }
}

impl From<&CheckReport> for report_checks::CheckReportInput {
    fn from(report: &CheckReport) -> Self {
        Self {
            job_id: report.lease.job.to_string(),
            lease_token: report.lease.token.clone(),
            object_etag: report.object_etag.clone(),
            results: report.results.iter().map(Into::into).collect(),
        }
    }
}

impl From<&FixityReport> for report_fixity::FixityReportInput {
    fn from(report: &FixityReport) -> Self {
        let measured = report.measured.as_ref();
        Self {
            job_id: report.lease.job.to_string(),
            lease_token: report.lease.token.clone(),
            measured: measured.map(|measured| report_fixity::FixityMeasuredInput {
                size: measured.size,
                sha256: measured.sha256.clone(),
                sha512: measured.sha512.clone(),
            }),
            object_etag: report.object_etag.clone(),
            engine: report.engine.clone(),
        }
    }
}

impl From<&CheckResult> for report_checks::CheckResultInput {
    fn from(result: &CheckResult) -> Self {
        let (checksum, format) = match &result.evidence {
            Evidence::None => (None, None),
            Evidence::Checksum {
                size,
                sha256,
                sha512,
            } => (
                Some(report_checks::ChecksumEvidenceInput {
                    size: *size,
                    sha256: sha256.clone(),
                    sha512: sha512.clone(),
                }),
                None,
            ),
            Evidence::Format(format) => (None, Some(format.into())),
        };
        Self {
            kind: result.kind.clone(),
            run: result.run,
            status: result.status,
            engine: result.engine.name.clone(),
            engine_version: result.engine.version.clone(),
            signature_version: result.engine.signatures.clone(),
            bytes_looked: result.bytes_looked,
            detail: result.detail.clone(),
            started_at: result.started_at,
            finished_at: result.finished_at,
            checksum,
            format,
        }
    }
}

impl From<&FormatEvidence> for report_checks::FormatEvidenceInput {
    fn from(format: &FormatEvidence) -> Self {
        Self {
            matches: format
                .matches
                .iter()
                .map(|found| report_checks::FormatMatchInput {
                    puid: found.puid.clone(),
                    name: found.name.clone(),
                    version: found.version.clone(),
                    media_type: found.media_type.clone(),
                    basis: found.basis,
                })
                .collect(),
            extension_mismatch: format.extension_mismatch,
            encrypted: format.encrypted,
            archive: format.archive,
            empty: format.empty,
            bom_only: format.bom_only,
            text: format.text,
        }
    }
}

impl report_export::ReportExportInput {
    pub(super) fn new(lease: &LeaseKey, report: &ExportReport) -> Self {
        let mut input = Self {
            job_id: lease.job.to_string(),
            lease_token: lease.token.clone(),
            status: ExportReportStatus::Progress,
            files_done: None,
            bytes_done: None,
            size: None,
            sha256: None,
            error: None,
        };
        match report {
            ExportReport::Progress { files, bytes } => {
                input.files_done = i64::try_from(*files).ok();
                input.bytes_done = Some(*bytes);
            }
            ExportReport::Ready { size, sha256 } => {
                input.status = ExportReportStatus::Ready;
                input.size = Some(*size);
                input.sha256 = Some(sha256.clone());
            }
            ExportReport::Failed { error } => {
                input.status = ExportReportStatus::Failed;
                input.error = Some(error.clone());
            }
        }
        input
    }
}
