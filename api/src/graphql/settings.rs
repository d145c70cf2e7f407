//! How the API speaks GraphQL: what an operator may set.

use std::{path::PathBuf, sync::Arc, time::Duration};

use axum::http::StatusCode;
use runtime::config::{Bytes, Reader};

use super::{limits::QueryLimits, trusted::TrustedDocuments};

/// Who may ask what the schema is, and is told which field was meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Introspection {
    /// Whoever can reach the API.
    Everyone,
    /// Whoever has a token.
    #[default]
    SignedIn,
    /// Nobody: `schema.graphql` says it.
    Nobody,
}

impl Introspection {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "everyone" => Some(Self::Everyone),
            "signed-in" => Some(Self::SignedIn),
            "nobody" => Some(Self::Nobody),
            _ => None,
        }
    }
}

/// How the API speaks GraphQL.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How large a request may be.
    pub limits: Arc<QueryLimits>,
    /// The status of a document that is not valid, where the status says anything
    /// (`application/graphql-response+json`).
    pub invalid: StatusCode,
    /// Who may ask what the schema is.
    pub introspection: Introspection,
    /// Documents that are known beforehand.
    pub trusted: TrustedDocuments,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            limits: Arc::default(),
            invalid: StatusCode::BAD_REQUEST,
            introspection: Introspection::default(),
            trusted: TrustedDocuments::default(),
        }
    }
}

impl Settings {
    /// For a system in one process: whoever reaches it may look around.
    pub fn embedded() -> Self {
        Self {
            introspection: Introspection::Everyone,
            ..Self::default()
        }
    }
}

/// What the environment says, before files are read.
#[derive(Debug)]
pub struct Configured {
    settings: Settings,
    trusted: Vec<PathBuf>,
    others: bool,
}

impl Configured {
    /// Reads it.
    pub fn read(read: &mut Reader<'_>) -> Self {
        let limits = limits(read);
        let invalid = match read.number::<u16>("MUNIMENT_STATUS_INVALID").or(400_u16) {
            400 => StatusCode::BAD_REQUEST,
            422 => StatusCode::UNPROCESSABLE_ENTITY,
            _ => {
                read.problem("MUNIMENT_STATUS_INVALID", "is not 400 or 422");
                StatusCode::BAD_REQUEST
            }
        };
        let introspection = read.string("MUNIMENT_INTROSPECTION").or("signed-in");
        let introspection = Introspection::parse(&introspection).unwrap_or_else(|| {
            read.problem(
                "MUNIMENT_INTROSPECTION",
                "is not `everyone`, `signed-in` or `nobody`",
            );
            Introspection::default()
        });
        let trusted = read.string("MUNIMENT_TRUSTED_DOCUMENTS").or("");
        let trusted = trusted
            .split(',')
            .map(str::trim)
            .filter(|file| !file.is_empty());
        Self {
            settings: Settings {
                limits: Arc::new(limits),
                invalid,
                introspection,
                trusted: TrustedDocuments::default(),
            },
            trusted: trusted.map(PathBuf::from).collect(),
            others: read.bool("MUNIMENT_OTHER_DOCUMENTS").or(false),
        }
    }

    /// Reads the files that it names.
    pub fn load(&self) -> Result<Settings, String> {
        let trusted = TrustedDocuments::read(&self.trusted, self.others)
            .map_err(|problem| format!("MUNIMENT_TRUSTED_DOCUMENTS: {problem}"))?;
        Ok(Settings {
            trusted,
            ..self.settings.clone()
        })
    }
}

fn limits(read: &mut Reader<'_>) -> QueryLimits {
    let default = QueryLimits::default();
    let mut count = |name, default: usize| read.number(name).within(1..=1_000_000).or(default);
    let (tokens, depth, aliases) = (
        count("MUNIMENT_LIMIT_TOKENS", default.tokens),
        count("MUNIMENT_LIMIT_DEPTH", default.depth),
        count("MUNIMENT_LIMIT_ALIASES", default.aliases),
    );
    let (root_fields, directives, complexity) = (
        count("MUNIMENT_LIMIT_ROOT_FIELDS", default.root_fields),
        count("MUNIMENT_LIMIT_DIRECTIVES", default.directives),
        count("MUNIMENT_LIMIT_COMPLEXITY", default.complexity),
    );
    let (errors, operations) = (
        count("MUNIMENT_LIMIT_ERRORS", default.errors),
        count("MUNIMENT_LIMIT_OPERATIONS", default.operations),
    );
    let (subscriptions, subscriptions_each) = (
        count("MUNIMENT_LIMIT_SUBSCRIPTIONS", default.subscriptions),
        count(
            "MUNIMENT_LIMIT_SUBSCRIPTIONS_EACH",
            default.subscriptions_each,
        ),
    );
    let Bytes(body) = read
        .bytes("MUNIMENT_LIMIT_BODY")
        .within(Bytes(1 << 10)..=Bytes(1 << 30))
        .or(default.body as u64);
    let mut time = |name, default: Duration| {
        read.duration(name)
            .within(Duration::from_secs(1)..=Duration::from_hours(1))
            .or(default)
    };
    QueryLimits {
        body: usize::try_from(body).unwrap_or(default.body),
        tokens,
        depth,
        aliases,
        root_fields,
        directives,
        complexity,
        errors,
        time: time("MUNIMENT_LIMIT_TIME", default.time),
        operations,
        subscriptions,
        subscriptions_each,
        send: time("MUNIMENT_LIMIT_SEND", default.send),
    }
}
