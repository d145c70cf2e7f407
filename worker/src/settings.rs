//! The settings of `muniment-worker`, and what of them the embedded system reads too.
//!
//! Owns their names, defaults and meanings. Does not own what both processes read (`runtime::services`).

use std::{net::SocketAddr, num::NonZeroUsize, path::PathBuf, time::Duration};

use runtime::{
    config::{Bytes, Reader},
    s3::S3Settings,
    services::{self, Queues, Row, Telemetry, row},
};

use crate::{
    Config,
    checks::antivirus::{ClamdAddress, ClamdSettings},
    client::ClientCredentialsSettings,
};

/// PRONOM signature files that belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignatureFiles {
    /// The binary signatures: XML, or compiled.
    pub binary: PathBuf,
    /// The container signatures (XML).
    pub container: Option<PathBuf>,
}

/// How the worker runs.
#[derive(Debug)]
pub struct Settings {
    /// The GraphQL endpoint.
    pub api_url: String,
    /// How it proves to the API who it is.
    pub identity: Identity,
    /// Where health and metrics are.
    pub listen: SocketAddr,
    /// Where bytes are.
    pub s3: S3Settings,
    /// Where jobs come from.
    pub queues: Queues,
    /// Where notifications of the object store come from, if they do.
    pub uploads: Option<String>,
    /// Where clamd is; without it, nothing is scanned.
    pub clamd: Option<ClamdSettings>,
    /// Which PRONOM signatures formats are identified with; without them, the built-in ones.
    pub signatures: Option<SignatureFiles>,
    /// How it works.
    pub config: Config,
    /// What is logged.
    pub telemetry: Telemetry,
}

/// How the worker proves to the API who it is.
#[derive(Debug)]
pub enum Identity {
    /// By tokens of an OpenID Connect provider.
    Provider(Box<ClientCredentialsSettings>),
    /// By the token in a file, read again for each request.
    TokenFile(PathBuf),
}

impl Identity {
    fn read(read: &mut Reader<'_>) -> Self {
        let file = read.string("MUNIMENT_TOKEN_FILE").optional();
        let issuer = read.url("MUNIMENT_OIDC_ISSUER").optional();
        let client_id = read.string("MUNIMENT_OIDC_CLIENT_ID").optional();
        let client_secret = read.secret("MUNIMENT_OIDC_CLIENT_SECRET").optional();
        let scope = read.string("MUNIMENT_OIDC_SCOPE").optional();
        let audience = read.string("MUNIMENT_OIDC_AUDIENCE").optional();
        let plain_http = read.bool("MUNIMENT_OIDC_PLAIN_HTTP").or(false);
        match (issuer, file) {
            (None, Some(file)) => Self::TokenFile(file.into()),
            (Some(issuer), None) => {
                for (name, is_set) in [
                    ("MUNIMENT_OIDC_CLIENT_ID", client_id.is_some()),
                    ("MUNIMENT_OIDC_CLIENT_SECRET", client_secret.is_some()),
                ] {
                    if !is_set {
                        read.problem(name, "must be set with MUNIMENT_OIDC_ISSUER");
                    }
                }
                Self::Provider(Box::new(ClientCredentialsSettings {
                    issuer: issuer.into(),
                    client_id: client_id.unwrap_or_default(),
                    client_secret: client_secret.unwrap_or_default(),
                    scope,
                    audience,
                    plain_http,
                }))
            }
            (Some(_), Some(_)) => {
                let problem = "cannot be set together with MUNIMENT_OIDC_ISSUER";
                read.problem("MUNIMENT_TOKEN_FILE", problem);
                Self::TokenFile(PathBuf::new())
            }
            (None, None) => {
                let problem = "must be set (or MUNIMENT_TOKEN_FILE): the API takes no strangers";
                read.problem("MUNIMENT_OIDC_ISSUER", problem);
                Self::TokenFile(PathBuf::new())
            }
        }
    }
}

/// The rows of the settings table that are only the worker's.
pub const ROWS: &[Row] = &[
    row(
        "MUNIMENT_API_URL",
        "",
        "the GraphQL endpoint, as `https://records.example.org/graphql`",
    ),
    row(
        "MUNIMENT_OIDC_ISSUER",
        "none",
        "the provider that gives the worker its tokens (client credentials); this or `MUNIMENT_TOKEN_FILE` must be set",
    ),
    row(
        "MUNIMENT_OIDC_CLIENT_ID",
        "must be set with the issuer",
        "the worker's name at the provider",
    ),
    row(
        "MUNIMENT_OIDC_CLIENT_SECRET",
        "must be set with the issuer",
        "its secret",
    ),
    row(
        "MUNIMENT_OIDC_SCOPE",
        "none",
        "what is asked for, if the provider wants that said",
    ),
    row(
        "MUNIMENT_OIDC_AUDIENCE",
        "none",
        "for whom the token is, if the provider wants that said",
    ),
    row(
        "MUNIMENT_OIDC_PLAIN_HTTP",
        "`false`",
        "`true`: the provider may be asked over plain HTTP, inside a closed network",
    ),
    row(
        "MUNIMENT_TOKEN_FILE",
        "none",
        "in place of a provider: file with the worker's token, read again for each request",
    ),
    row(
        "MUNIMENT_WORKER_LISTEN",
        "`0.0.0.0:9090`",
        "where `/healthz`, `/readyz` and `/metrics` are",
    ),
    row(
        "MUNIMENT_WORKER_NAME",
        "the host's name",
        "under which it takes jobs; each worker has its own",
    ),
    row(
        "MUNIMENT_CONCURRENCY",
        "`4`",
        "how many files are checked at once, 1 to 256",
    ),
    row(
        "MUNIMENT_EXPORTS",
        "`1`",
        "how many packages are written at once, 1 to 16",
    ),
    row(
        "MUNIMENT_FIXITY",
        "`2`",
        "how many kept files are read again at once, beside the others, 1 to 16",
    ),
    row(
        "MUNIMENT_LEASE",
        "`1m`",
        "a worker that was not heard of for so long loses its job to another, 10s to 15m",
    ),
    row(
        "MUNIMENT_QUEUE_UPLOADS",
        "none",
        "URL of the queue with the object store's event notifications",
    ),
    row(
        "MUNIMENT_CLAMD",
        "none: nothing is scanned",
        "`host:port` or the path of a socket; several with commas take turns, and one that gives trouble is asked last",
    ),
    row(
        "MUNIMENT_CLAMD_LIMIT",
        "`100MiB`",
        "the smallest of clamd's StreamMaxLength, MaxScanSize and MaxFileSize; larger files are INCONCLUSIVE",
    ),
    row(
        "MUNIMENT_CLAMD_TIMEOUT",
        "`150s`",
        "how long clamd may take after the last byte, 1s to 1h: longer than its MaxScanTime (120 s unless set)",
    ),
    row(
        "MUNIMENT_PRONOM_SIGNATURES",
        "the built-in signatures",
        "PRONOM signatures to identify formats with: `DROID_SignatureFile_V*.xml`, or compiled",
    ),
    row(
        "MUNIMENT_PRONOM_CONTAINERS",
        "none",
        "the container signatures that belong to them: `container-signature-*.xml`",
    ),
    row(
        "MUNIMENT_WORKER_GRACE",
        "`20s`",
        "how long jobs may go on when it is stopped; then they are handed back",
    ),
];

impl Settings {
    /// Reads all of it.
    pub fn read(read: &mut Reader<'_>) -> Self {
        // Both programs may be given them: buckets come to the worker with its jobs.
        read.ignore("MUNIMENT_BUCKET_");
        let s3 = services::s3(read);
        let jobs = read
            .get("MUNIMENT_CONCURRENCY")
            .within(at_least_one()..=many(256));
        let config = Config {
            jobs: jobs.or(many(4)).get(),
            exports: read.number("MUNIMENT_EXPORTS").within(1..=16).or(1_usize),
            fixity: read.number("MUNIMENT_FIXITY").within(1..=16).or(2_usize),
            grace: read
                .duration("MUNIMENT_WORKER_GRACE")
                .or(Duration::from_secs(20)),
            lease: read
                .duration("MUNIMENT_LEASE")
                .within(Duration::from_secs(10)..=Duration::from_mins(15))
                .or(Config::default().lease),
            kms_key: s3.kms_key.clone(),
            name: name(read),
            ..Config::default()
        };
        Self {
            api_url: read.url("MUNIMENT_API_URL").required().into(),
            identity: Identity::read(read),
            listen: read
                .get("MUNIMENT_WORKER_LISTEN")
                .or(SocketAddr::from(([0, 0, 0, 0], 9090))),
            s3,
            queues: Queues::read(read),
            uploads: read
                .url("MUNIMENT_QUEUE_UPLOADS")
                .optional()
                .map(Into::into),
            clamd: clamd(read),
            signatures: signatures(read),
            config,
            telemetry: Telemetry::read(read),
        }
    }
}

fn at_least_one() -> NonZeroUsize {
    NonZeroUsize::MIN
}

fn many(count: usize) -> NonZeroUsize {
    NonZeroUsize::new(count).unwrap_or(NonZeroUsize::MIN)
}

/// Unique among workers: the host's name is, where each has a host of its own, and the process tells apart
/// those that share one.
fn name(read: &mut Reader<'_>) -> String {
    if let Some(name) = read.string("MUNIMENT_WORKER_NAME").optional() {
        return name;
    }
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = host.trim();
    let host = if host.is_empty() { "worker" } else { host };
    format!("{host}/{}", std::process::id())
}

/// Reads where clamd is.
pub fn clamd(read: &mut Reader<'_>) -> Option<ClamdSettings> {
    let limit: Option<Bytes> = read.bytes("MUNIMENT_CLAMD_LIMIT").optional();
    let verdict = read.duration("MUNIMENT_CLAMD_TIMEOUT");
    let verdict = verdict.within(Duration::from_secs(1)..=Duration::from_hours(1));
    let verdict = verdict.optional();
    let text = read.string("MUNIMENT_CLAMD").optional()?;
    match addresses(&text) {
        Ok(addresses) => {
            let mut settings = ClamdSettings::new(addresses);
            if let Some(limit) = limit {
                settings.limit = limit.0;
            }
            settings.verdict_timeout = verdict.unwrap_or(settings.verdict_timeout);
            Some(settings)
        }
        Err(problem) => {
            read.problem("MUNIMENT_CLAMD", problem);
            None
        }
    }
}

/// Reads which signature files there are.
pub fn signatures(read: &mut Reader<'_>) -> Option<SignatureFiles> {
    let binary = read.string("MUNIMENT_PRONOM_SIGNATURES").optional();
    let container = read.string("MUNIMENT_PRONOM_CONTAINERS").optional();
    if container.is_some() && binary.is_none() {
        read.problem(
            "MUNIMENT_PRONOM_CONTAINERS",
            "needs MUNIMENT_PRONOM_SIGNATURES beside it",
        );
    }
    Some(SignatureFiles {
        binary: binary?.into(),
        container: container.map(Into::into),
    })
}

/// `host:port` or `/path/of/the/socket`, several with commas between: they are tried in turn.
fn addresses(text: &str) -> Result<Vec<ClamdAddress>, &'static str> {
    text.split(',')
        .map(str::trim)
        .map(|one| match one {
            path if path.starts_with('/') => Ok(ClamdAddress::Socket(path.into())),
            address
                if address
                    .rsplit_once(':')
                    .is_some_and(|(_, port)| port.parse::<u16>().is_ok()) =>
            {
                Ok(ClamdAddress::Tcp(address.to_owned()))
            }
            _ => Err("is not host:port, or the path of a socket; several with commas between"),
        })
        .collect()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may")]
mod tests {
    use std::collections::BTreeMap;

    use runtime::config;

    use super::*;

    fn least() -> BTreeMap<String, String> {
        let set = [
            ("MUNIMENT_API_URL", "http://api:8080/graphql"),
            ("MUNIMENT_TOKEN_FILE", "/run/secrets/token"),
            ("MUNIMENT_QUEUE_JOBS", "http://sqs/1/jobs"),
        ];
        let owned = set.map(|(name, value)| (name.to_owned(), value.to_owned()));
        owned.into()
    }

    fn problems(set: &[(&str, &str)]) -> Vec<String> {
        let mut all = least();
        for (name, value) in set {
            all.insert((*name).to_owned(), (*value).to_owned());
        }
        match config::Settings::from_map(all).read(Settings::read) {
            Ok(_) => Vec::new(),
            Err(problems) => problems.iter().map(|one| one.name.clone()).collect(),
        }
    }

    #[test]
    fn what_must_be_set_is_enough() {
        assert_eq!(problems(&[]), [""; 0]);
    }

    #[test]
    fn every_problem_is_said_at_once() {
        let wrong = [
            ("MUNIMENT_CLAMD", "clamd"),
            ("MUNIMENT_CONCURRENCY", "0"),
            ("MUNIMENT_EXPORTS", "17"),
            ("MUNIMENT_FIXITY", "17"),
            ("MUNIMENT_LEASE", "9s"),
            ("MUNIMENT_PRONOM_CONTAINERS", "c.xml"),
            ("MUNIMENT_QUEUE_JOBS", ""),
            ("MUNIMENT_WORKER_LISTEN", "9090"),
            ("MUNIMENT_WROKER_NAME", "a"),
        ];
        assert_eq!(problems(&wrong), wrong.map(|(name, _)| name));
    }

    #[test]
    fn the_table_has_every_setting_once() {
        let mut names: Vec<&str> = ROWS.iter().map(|row| row.name).collect();
        let ours = |name: &&str| name.starts_with("MUNIMENT_");
        names.extend(services::ROWS.iter().map(|row| row.name).filter(ours));
        let asked = config::Settings::from_map(least())
            .read(|read| {
                Settings::read(read);
                read.asked()
            })
            .unwrap();
        names.sort_unstable();
        assert_eq!(names, asked);
    }
}
