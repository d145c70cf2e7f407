//! The settings of `muniment-api`.
//!
//! Owns their names, defaults and meanings. Does not own what both processes read (`runtime::services`).

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use contract::objects::Place;
use runtime::{
    config::{Reader, Value},
    s3::S3Settings,
    secrecy::{ExposeSecret as _, SecretString},
    services::{self, Queues, Row, Telemetry, row},
};

use crate::{
    app::Limits,
    auth::oidc::{OidcSettings, Preset},
    graphql::settings::Configured,
    object_store::Buckets,
};

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
    /// Who tells who somebody is.
    pub identity: Identity,
    /// How it speaks GraphQL.
    pub graphql: Configured,
    /// What signs the log of events: a file, or the key itself.
    pub checkpoint_key: SecretString,
    /// How long an announced job may stay unclaimed before it is announced again.
    pub republish_after: Duration,
    /// How long requests and announcements under way may take when it stops.
    pub grace: Duration,
    /// What is logged.
    pub telemetry: Telemetry,
}

/// Who tells who somebody is.
#[derive(Debug)]
pub enum Identity {
    /// An OpenID Connect provider.
    Provider(Box<OidcSettings>),
    /// The file of a key pair.
    Key(String),
}

impl Identity {
    fn read(read: &mut Reader<'_>) -> Self {
        let key = read.string("MUNIMENT_TOKEN_KEY").optional();
        let issuer = read
            .url("MUNIMENT_OIDC_ISSUER")
            .optional()
            .map(String::from);
        let audience = read.string("MUNIMENT_OIDC_AUDIENCE").optional();
        let preset = read.string("MUNIMENT_OIDC_PRESET").or("standard");
        let preset = Preset::parse(&preset).unwrap_or_else(|| {
            read.problem(
                "MUNIMENT_OIDC_PRESET",
                "is not `standard`, `keycloak` or `cognito`",
            );
            Preset::default()
        });
        let mut settings = OidcSettings {
            preset,
            role_claim: read.string("MUNIMENT_OIDC_ROLE_CLAIM").optional(),
            body_claim: read.string("MUNIMENT_OIDC_BODY_CLAIM").optional(),
            max_age: read
                .get::<MaxAge>("MUNIMENT_OIDC_MAX_AGE")
                .or(MaxAge::DEFAULT)
                .0,
            plain_http: read.bool("MUNIMENT_OIDC_PLAIN_HTTP").or(false),
            ..OidcSettings::new(String::new(), String::new())
        };
        match (issuer, key) {
            (Some(issuer), None) => {
                settings.issuer = issuer;
                settings.audience = audience.unwrap_or_default();
                for problem in settings.problems() {
                    read.problem(setting_of(problem.field), problem.message);
                }
                Self::Provider(Box::new(settings))
            }
            (None, Some(key)) => Self::Key(key),
            (Some(_), Some(key)) => {
                read.problem(
                    "MUNIMENT_TOKEN_KEY",
                    "cannot be set together with MUNIMENT_OIDC_ISSUER",
                );
                Self::Key(key)
            }
            (None, None) => {
                read.problem(
                    "MUNIMENT_OIDC_ISSUER",
                    "must be set (or MUNIMENT_TOKEN_KEY): nobody could prove who they are",
                );
                Self::Key(String::new())
            }
        }
    }
}

/// For how long a token is taken after it was issued; `none`: until its end.
struct MaxAge(Option<Duration>);

impl MaxAge {
    /// So a role that was taken away is gone after a minute.
    const DEFAULT: Self = Self(Some(Duration::from_mins(1)));
}

impl Value for MaxAge {
    const EXPECTED: &'static str = "a duration such as 30s, or `none`";

    fn parse(text: &str) -> Option<Self> {
        match text {
            "none" => Some(Self(None)),
            text => Duration::parse(text).map(|age| Self(Some(age))),
        }
    }

    fn stand_in() -> Self {
        Self::DEFAULT
    }
}

/// The setting behind a field of [`OidcSettings`].
fn setting_of(field: &str) -> &'static str {
    match field {
        "audience" => "MUNIMENT_OIDC_AUDIENCE",
        "role_claim" => "MUNIMENT_OIDC_ROLE_CLAIM",
        "body_claim" => "MUNIMENT_OIDC_BODY_CLAIM",
        _ => "MUNIMENT_OIDC_ISSUER",
    }
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
            database_url: database_url(read),
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
        "MUNIMENT_OIDC_ISSUER",
        "none",
        "the OpenID Connect provider, exactly as in its tokens; this or `MUNIMENT_TOKEN_KEY` must be set",
    ),
    row(
        "MUNIMENT_OIDC_AUDIENCE",
        "must be set with the issuer",
        "our name at the provider: each token must be meant for it",
    ),
    row(
        "MUNIMENT_OIDC_PRESET",
        "`standard`",
        "where roles and bodies stand: `standard` (`roles`, `bodies`), `keycloak` (`realm_access.roles`, `bodies`), `cognito` (`cognito:groups`, `custom:bodies`)",
    ),
    row(
        "MUNIMENT_OIDC_ROLE_CLAIM",
        "the preset's",
        "another claim with the roles: a path with dots, or a JSON pointer",
    ),
    row(
        "MUNIMENT_OIDC_BODY_CLAIM",
        "the preset's",
        "another claim with the codes of bodies",
    ),
    row(
        "MUNIMENT_OIDC_MAX_AGE",
        "`1m`",
        "tokens are taken for no longer than this after they were issued, so that a role that is taken away is gone after it; clients renew theirs as often. `none`: until their end, and roles with them",
    ),
    row(
        "MUNIMENT_OIDC_PLAIN_HTTP",
        "`false`",
        "`true`: the provider may be asked over plain HTTP, inside a closed network",
    ),
    row(
        "MUNIMENT_TOKEN_KEY",
        "none",
        "in place of a provider: file of a key pair that signs tokens; `muniment token --data DIR` makes it, `DIR/identity/token-key.p8`, and tokens",
    ),
    row(
        "MUNIMENT_INTROSPECTION",
        "`signed-in`",
        "who may ask for the schema, and is told which field was probably meant: `everyone`, `signed-in` or `nobody`",
    ),
    row(
        "MUNIMENT_TRUSTED_DOCUMENTS",
        "none",
        "files of the only documents that are taken, with commas; `muniment documents` prints those of our own programs",
    ),
    row(
        "MUNIMENT_OTHER_DOCUMENTS",
        "`false`",
        "`true`: other documents are taken beside those of the files",
    ),
    row(
        "MUNIMENT_STATUS_INVALID",
        "`400`",
        "the status of a document that is not valid, for `application/graphql-response+json`; `422` as newer drafts have it",
    ),
    row(
        "MUNIMENT_LIMIT_BODY",
        "`8MiB`",
        "the most bytes of a request, or of a message of a websocket",
    ),
    row(
        "MUNIMENT_LIMIT_TOKENS",
        "`10000`",
        "the most tokens of a document",
    ),
    row(
        "MUNIMENT_LIMIT_DEPTH",
        "`15`",
        "the most fields in one another",
    ),
    row(
        "MUNIMENT_LIMIT_ALIASES",
        "`100`",
        "the most aliases of an operation",
    ),
    row(
        "MUNIMENT_LIMIT_ROOT_FIELDS",
        "`30`",
        "the most fields that an operation begins with",
    ),
    row(
        "MUNIMENT_LIMIT_DIRECTIVES",
        "`50`",
        "the most directives of an operation",
    ),
    row(
        "MUNIMENT_LIMIT_COMPLEXITY",
        "`50000`",
        "what an operation may cost: a field is 1, a list 50 and its fields for each item that its page may have",
    ),
    row(
        "MUNIMENT_LIMIT_ERRORS",
        "`20`",
        "the most errors that are answered",
    ),
    row(
        "MUNIMENT_LIMIT_TIME",
        "`1m`",
        "how long a query or mutation may take",
    ),
    row(
        "MUNIMENT_LIMIT_OPERATIONS",
        "`100`",
        "the most operations of one websocket at a time",
    ),
    row(
        "MUNIMENT_LIMIT_SUBSCRIPTIONS",
        "`1000`",
        "the most subscriptions of this process at a time, however they come",
    ),
    row(
        "MUNIMENT_LIMIT_SUBSCRIPTIONS_EACH",
        "`200`",
        "of these, the most of one subject (a person, or an API key)",
    ),
    row(
        "MUNIMENT_LIMIT_SEND",
        "`20s`",
        "how long a client may take to read one message of a websocket, or read nothing of any other answer",
    ),
    row(
        "MUNIMENT_CHECKPOINT_KEY",
        "must be set",
        "key that signs the log of events: its file, or the key itself (PKCS #8 in base64); `muniment checkpoint-key FILE` makes it; one for all instances over a database, for good",
    ),
    row(
        "MUNIMENT_REPUBLISH_AFTER",
        "`2m`",
        "a job that was announced and not taken for so long is announced again, 1s to 1h: the message may be lost",
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
        let url = database_url(read);
        let mut bucket = |name| read.string(name).required();
        let (incoming, records) = (
            bucket("MUNIMENT_BUCKET_INCOMING"),
            bucket("MUNIMENT_BUCKET_RECORDS"),
        );
        let (quarantine, exports) = (
            bucket("MUNIMENT_BUCKET_QUARANTINE"),
            bucket("MUNIMENT_BUCKET_EXPORTS"),
        );
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
            identity: Identity::read(read),
            graphql: Configured::read(read),
            checkpoint_key: checkpoint_key(read),
            republish_after: read
                .duration("MUNIMENT_REPUBLISH_AFTER")
                .within(Duration::from_secs(1)..=Duration::from_hours(1))
                .or(Limits::default().republish_after),
            grace: read.duration("MUNIMENT_GRACE").or(Duration::from_secs(25)),
            telemetry: Telemetry::read(read),
        }
    }
}

fn database_url(read: &mut Reader<'_>) -> SecretString {
    let url = read.secret("MUNIMENT_DATABASE_URL").required();
    let text = url.expose_secret();
    if !text.is_empty() && !crate::app::is_database_url(text) {
        read.problem("MUNIMENT_DATABASE_URL", "does not begin with postgres://");
    }
    url
}

/// Whether the key can be read is said here, so that `--check-config` says it too.
fn checkpoint_key(read: &mut Reader<'_>) -> SecretString {
    let setting = read.secret("MUNIMENT_CHECKPOINT_KEY").required();
    let text = setting.expose_secret();
    if !text.is_empty()
        && let Err(error) = crate::checkpoints::key::configured(text)
    {
        let problem = format!(
            "is no key that can be read ({error}); `muniment checkpoint-key FILE` makes one"
        );
        read.problem("MUNIMENT_CHECKPOINT_KEY", &problem);
    }
    setting
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

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may")]
mod tests {
    use runtime::config::Settings;

    use super::*;

    fn least() -> BTreeMap<String, String> {
        let set = [
            ("MUNIMENT_DATABASE_URL", "postgres://db/muniment"),
            ("MUNIMENT_BUCKET_INCOMING", "incoming"),
            ("MUNIMENT_BUCKET_RECORDS", "records"),
            ("MUNIMENT_BUCKET_QUARANTINE", "quarantine"),
            ("MUNIMENT_BUCKET_EXPORTS", "exports"),
            ("MUNIMENT_QUEUE_JOBS", "http://sqs/1/jobs"),
            ("MUNIMENT_OIDC_ISSUER", "https://id.example.org"),
            ("MUNIMENT_OIDC_AUDIENCE", "muniment"),
            (
                "MUNIMENT_CHECKPOINT_KEY",
                "MC4CAQAwBQYDK2VwBCIEIB6vUuHgvCCCgUGuZfPwDrz0v7fAoJkVYl13gsg0qgVe",
            ),
        ];
        set.map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into()
    }

    fn problems(set: &[(&str, &str)]) -> Vec<String> {
        let mut all = least();
        for (name, value) in set {
            all.insert((*name).to_owned(), (*value).to_owned());
        }
        match Settings::from_map(all).read(Config::read) {
            Ok(_) => Vec::new(),
            Err(problems) => problems.iter().map(|one| one.name.clone()).collect(),
        }
    }

    #[test]
    fn what_must_be_set_is_enough() {
        assert_eq!(problems(&[]), [""; 0]);
    }

    #[test]
    fn tokens_are_taken_for_a_minute_unless_the_operator_says_otherwise() {
        let max_age = |text: &str| {
            let mut all = least();
            all.insert("MUNIMENT_OIDC_MAX_AGE".to_owned(), text.to_owned());
            let config = Settings::from_map(all).read(Config::read).ok()?;
            match config.identity {
                Identity::Provider(settings) => Some(settings.max_age),
                Identity::Key(_) => None,
            }
        };
        for (text, expected) in [
            ("", Some(Some(Duration::from_mins(1)))),
            ("5m", Some(Some(Duration::from_mins(5)))),
            ("none", Some(None)),
            ("never", None),
        ] {
            assert_eq!(max_age(text), expected, "{text}");
        }
    }

    #[test]
    fn every_problem_is_said_at_once() {
        let wrong = [
            ("MUNIMENT_BUCKET_RECORDS", ""),
            ("MUNIMENT_CHECKPOINT_KEY", "/no/such/file"),
            ("MUNIMENT_CHECK_QUEUES", "ocr"),
            ("MUNIMENT_DATABASE_CONNECTIONS", "1"),
            ("MUNIMENT_DATABASE_URL", "mysql://u:secret@db/muniment"),
            ("MUNIMENT_GRACE", "soon"),
            ("MUNIMENT_INTROSPECTION", "some"),
            ("MUNIMENT_LIMIT_DEPTH", "0"),
            ("MUNIMENT_LIMIT_TIME", "1ms"),
            ("MUNIMENT_LISTNE", "a"),
            ("MUNIMENT_OIDC_AUDIENCE", ""),
            ("MUNIMENT_OIDC_ISSUER", "http://id.example.org"),
            ("MUNIMENT_OIDC_PRESET", "okta"),
            ("MUNIMENT_REPUBLISH_AFTER", "2h"),
            ("MUNIMENT_STATUS_INVALID", "500"),
        ];
        assert_eq!(problems(&wrong), wrong.map(|(name, _)| name));
    }

    #[test]
    fn the_table_has_every_setting_once() {
        let mut names: Vec<&str> = ROWS.iter().map(|row| row.name).collect();
        let shared = services::ROWS.iter().map(|row| row.name);
        names.extend(shared.filter(|name| name.starts_with("MUNIMENT_")));
        let asked = Settings::from_map(least())
            .read(|read| {
                Config::read(read);
                read.asked()
            })
            .unwrap();
        names.sort_unstable();
        assert_eq!(names, asked);
    }
}
