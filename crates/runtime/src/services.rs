//! Settings that both processes read: logging, object store, queues.
//!
//! Owns their names, defaults and what is said of them in the settings table. Does not own what only one
//! process needs.
//!
//! Always: credentials and region come from the usual AWS chain (environment, profile, task role), not from
//! settings of ours.

use crate::aws::Access;
use crate::config::{Reader, Settings};
use crate::s3::S3Settings;
use crate::telemetry::Format;

/// What the settings table says of one setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// Its full name.
    pub name: &'static str,
    /// What it is unless set; empty: it must be set, or the text says when.
    pub default: &'static str,
    /// What it means.
    pub meaning: &'static str,
}

/// A row of the settings table.
pub const fn row(name: &'static str, default: &'static str, meaning: &'static str) -> Row {
    Row {
        name,
        default,
        meaning,
    }
}

/// The rows of what is read here.
pub const ROWS: &[Row] = &[
    row(
        "MUNIMENT_LOG",
        "own lines from `info`",
        "which lines are logged, as `warn,api=debug`",
    ),
    row("MUNIMENT_LOG_FORMAT", "`json`", "`json` or `text`"),
    row(
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "none",
        "where traces are sent over OTLP (HTTP, protobuf); OpenTelemetry's other settings hold too",
    ),
    row(
        "MUNIMENT_S3_ENDPOINT",
        "AWS's",
        "address of the object store",
    ),
    row(
        "MUNIMENT_S3_PATH_STYLE",
        "`false`",
        "`true`: the bucket stands in the path, as emulators want it",
    ),
    row(
        "MUNIMENT_S3_KMS_KEY",
        "the bucket's own",
        "key id or ARN: what is written is encrypted by it (SSE-KMS)",
    ),
    row("MUNIMENT_SQS_ENDPOINT", "AWS's", "address of the queues"),
    row("MUNIMENT_QUEUE_JOBS", "", "URL of the queue of jobs"),
];

/// Where log lines go and in which form.
#[derive(Debug, Clone, Default)]
pub struct Telemetry {
    /// Which lines.
    pub filter: Option<String>,
    /// In which form.
    pub format: Format,
}

impl Telemetry {
    /// Reads it.
    pub fn read(read: &mut Reader<'_>) -> Self {
        let format = read.string("MUNIMENT_LOG_FORMAT").or("json");
        let format = format.parse().unwrap_or_else(|()| {
            read.problem("MUNIMENT_LOG_FORMAT", "is not `json` or `text`");
            Format::Json
        });
        Self {
            filter: read.string("MUNIMENT_LOG").optional(),
            format,
        }
    }

    /// As it is set, or the default where that cannot be read: what is wrong with settings, these included, is to
    /// be logged.
    pub fn beforehand(settings: &Settings) -> Self {
        let read = settings.read(|read| {
            read.ignore("MUNIMENT_");
            Self::read(read)
        });
        read.unwrap_or(Self {
            filter: None,
            format: Format::Json,
        })
    }
}

/// Reads where the object store is.
pub fn s3(read: &mut Reader<'_>) -> S3Settings {
    S3Settings {
        access: Access {
            endpoint: read.url("MUNIMENT_S3_ENDPOINT").optional().map(Into::into),
            ..Access::default()
        },
        path_style: read.bool("MUNIMENT_S3_PATH_STYLE").or(false),
        kms_key: read.string("MUNIMENT_S3_KMS_KEY").optional(),
    }
}

/// How queues are reached, and the URL of the one for jobs.
#[derive(Debug, Clone)]
pub struct Queues {
    /// How all of them are reached.
    pub access: Access,
    /// The queue of jobs.
    pub jobs: String,
}

impl Queues {
    /// Reads it.
    pub fn read(read: &mut Reader<'_>) -> Self {
        Self {
            access: Access {
                endpoint: read.url("MUNIMENT_SQS_ENDPOINT").optional().map(Into::into),
                ..Access::default()
            },
            jobs: read.url("MUNIMENT_QUEUE_JOBS").required().into(),
        }
    }
}

/// The settings table in Markdown.
pub fn table<'a>(rows: impl IntoIterator<Item = &'a Row>) -> String {
    let mut text = String::from("| setting | default | meaning |\n| --- | --- | --- |\n");
    for row in rows {
        let default = if row.default.is_empty() {
            "must be set"
        } else {
            row.default
        };
        text += &format!("| `{}` | {default} | {} |\n", row.name, row.meaning);
    }
    text
}
