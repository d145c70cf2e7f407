//! The settings of `muniment-api`.
//!
//! Owns their names, defaults and meanings. Does not own what both processes read (`runtime::services`).

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use contract::objects::Place;
use runtime::{
    config::Reader,
    s3::S3Settings,
    secrecy::SecretString,
    services::{self, Queues, Row, Telemetry, row},
};

use crate::object_store::Buckets;

/// How the API runs.
#[derive(Debug)]
pub struct Config {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Where rows are.
    pub database_url: SecretString,
    /// The most connections to the database.
    pub connections: u32,
    /// Where bytes are.
    pub s3: S3Settings,
    /// The address of the object store as clients reach it, if it is another.
    pub public_endpoint: Option<String>,
    /// The buckets.
    pub buckets: Buckets,
    /// Where jobs are announced.
    pub queues: Queues,
    /// The queues of further kinds of checks, by kind.
    pub check_queues: BTreeMap<String, String>,
    /// The file with the key that signs tokens, where no provider does.
    pub token_key: Option<String>,
    /// How long requests and announcements under way may take when it stops.
    pub grace: Duration,
    /// What is logged.
    pub telemetry: Telemetry,
}

/// What bringing the database up to date needs, and nothing else.
#[derive(Debug)]
pub struct MigrateConfig {
    /// Where rows are.
    pub database_url: SecretString,
    /// What is logged.
    pub telemetry: Telemetry,
}

impl MigrateConfig {
    /// Reads it; what else is set is for the server.
    pub fn read(read: &mut Reader<'_>) -> Self {
        read.ignore("MUNIMENT_");
        Self {
            database_url: read.secret("MUNIMENT_DATABASE_URL").required(),
            telemetry: Telemetry::read(read),
        }
    }
}

/// The rows of the settings table that are only the API's.
pub const ROWS: &[Row] = &[
    row(
        "MUNIMENT_LISTEN",
        "`0.0.0.0:8080`",
        "where `/graphql`, `/healthz`, `/readyz` and `/metrics` are",
    ),
    row(
        "MUNIMENT_DATABASE_URL",
        "",
        "`postgres://user:password@host/database?sslmode=verify-full`",
    ),
    row(
        "MUNIMENT_DATABASE_CONNECTIONS",
        "`16`",
        "the most connections of this process, 2 to 500",
    ),
    row(
        "MUNIMENT_S3_PUBLIC_ENDPOINT",
        "as `MUNIMENT_S3_ENDPOINT`",
        "address of the object store as clients reach it",
    ),
    row(
        "MUNIMENT_BUCKET_INCOMING",
        "",
        "bucket of what is uploaded and not decided",
    ),
    row("MUNIMENT_BUCKET_RECORDS", "", "bucket of what is accepted"),
    row("MUNIMENT_BUCKET_QUARANTINE", "", "bucket of malware"),
    row("MUNIMENT_BUCKET_EXPORTS", "", "bucket of finished packages"),
    row(
        "MUNIMENT_CHECK_QUEUES",
        "none",
        "queues of further kinds of checks: `OCR=https://…,LAYOUT=https://…`",
    ),
    row(
        "MUNIMENT_TOKEN_KEY",
        "none",
        "file of a key pair that signs tokens (`muniment token` makes both), where there is no provider",
    ),
    row(
        "MUNIMENT_GRACE",
        "`25s`",
        "how long requests under way may take when it is stopped",
    ),
];

impl Config {
    /// Reads all of it.
    pub fn read(read: &mut Reader<'_>) -> Self {
        let url = read.secret("MUNIMENT_DATABASE_URL").required();
        let mut bucket = |name| read.string(name).required();
        let (incoming, records) = (
            bucket("MUNIMENT_BUCKET_INCOMING"),
            bucket("MUNIMENT_BUCKET_RECORDS"),
        );
        let (quarantine, exports) = (
            bucket("MUNIMENT_BUCKET_QUARANTINE"),
            bucket("MUNIMENT_BUCKET_EXPORTS"),
        );
        let token_key = read.string("MUNIMENT_TOKEN_KEY").optional();
        if token_key.is_none() {
            read.problem(
                "MUNIMENT_TOKEN_KEY",
                "must be set: nobody could prove who they are",
            );
        }
        Self {
            listen: read
                .get("MUNIMENT_LISTEN")
                .or(SocketAddr::from(([0, 0, 0, 0], 8080))),
            database_url: url,
            connections: read
                .number("MUNIMENT_DATABASE_CONNECTIONS")
                .within(2..=500)
                .or(16_u32),
            s3: services::s3(read),
            public_endpoint: read
                .url("MUNIMENT_S3_PUBLIC_ENDPOINT")
                .optional()
                .map(Into::into),
            buckets: Buckets::named(|place| {
                match place {
                    Place::Incoming => &incoming,
                    Place::Records => &records,
                    Place::Quarantine => &quarantine,
                    Place::Exports => &exports,
                }
                .clone()
            }),
            queues: Queues::read(read),
            check_queues: check_queues(read),
            token_key,
            grace: read.duration("MUNIMENT_GRACE").or(Duration::from_secs(25)),
            telemetry: Telemetry::read(read),
        }
    }
}

fn check_queues(read: &mut Reader<'_>) -> BTreeMap<String, String> {
    let mut queues = BTreeMap::new();
    let text = read.string("MUNIMENT_CHECK_QUEUES").or("");
    for one in text.split(',').map(str::trim).filter(|one| !one.is_empty()) {
        match one.split_once('=') {
            Some((kind, url)) if contract::checks::is_valid_kind(kind) && !url.is_empty() => {
                queues.insert(kind.to_owned(), url.to_owned());
            }
            _ => read.problem(
                "MUNIMENT_CHECK_QUEUES",
                "is not a list such as OCR=https://…,LAYOUT=https://…",
            ),
        }
    }
    queues
}
