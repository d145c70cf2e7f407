//! `muniment-api`: the GraphQL server as a process of its own, configured by the environment.
//!
//! Owns how the parts are put together and stopped. Does not own any of them.

use std::{collections::HashMap, process::ExitCode, sync::Arc, time::Duration};

use api::{
    App, Limits, Parts,
    auth::{
        oidc::OpenIdConnect,
        token::{EmbeddedIdentity, TokenVerifier},
    },
    config::{Config, Identity, MigrateConfig, ROWS},
    jobs::{dispatcher::Dispatcher, gauges, reconciler},
    object_store::ObjectStore,
};
use clap::{Parser, Subcommand};
use migration::{Migrator, MigratorTrait as _, Standing};
use runtime::{
    aws::Access,
    backoff::Policy,
    clock::{Clock, SystemClock},
    config::{Reader, Settings},
    ids::SystemIds,
    queue::{Queue, sqs::SqsQueue},
    s3::{self, S3Settings},
    secrecy::{ExposeSecret as _, SecretString},
    services,
    shutdown::Shutdown,
    telemetry,
};
use tokio::net::TcpListener;

/// How often the database is tried at the start, and how far apart: about a minute in all.
const CONNECT: Policy = Policy {
    first: Duration::from_millis(200),
    cap: Duration::from_secs(10),
    attempts: std::num::NonZeroU32::MIN.saturating_add(9),
};

/// The GraphQL server of Muniment.
///
/// It is configured by the environment; --settings prints the table.
#[derive(Debug, Parser)]
#[command(
    name = "muniment-api",
    version,
    after_help = "\
Exit status: 0 it was stopped in order; 1 it could not be carried out.

Examples:
  muniment-api --check-config
  muniment-api migrate
  muniment-api"
)]
struct Cli {
    /// Say everything that is wrong with the settings, and do nothing else
    #[arg(long)]
    check_config: bool,

    /// Print the table of all settings
    #[arg(long)]
    settings: bool,

    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve until it is stopped (what it does without a command)
    Serve,
    /// Bring the database up to date
    Migrate,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let settings = Settings::from_env("MUNIMENT_");
    if cli.settings || cli.check_config {
        return match answer(&cli, &settings) {
            Ok(()) => ExitCode::SUCCESS,
            Err(message) => {
                eprintln!("muniment-api: {message}");
                ExitCode::FAILURE
            }
        };
    }
    let log = services::Telemetry::beforehand(&settings);
    let traces = telemetry::init("muniment-api", log.format, log.filter.as_deref());
    let done = match &traces {
        Ok(_) => run(&cli, &settings),
        Err(error) => Err(error.to_string()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            telemetry::failed("muniment-api", &message);
            ExitCode::FAILURE
        }
    }
}

/// What people ask, on the terminal.
fn answer(cli: &Cli, settings: &Settings) -> Result<(), String> {
    if cli.settings {
        return say(&services::table(ROWS.iter().chain(services::ROWS)));
    }
    if matches!(cli.command, Some(Command::Migrate)) {
        configured(settings, MigrateConfig::read)?;
    } else {
        configured(settings, Config::read)?.graphql.load()?;
    }
    say("the settings can be used\n")
}

fn run(cli: &Cli, settings: &Settings) -> Result<(), String> {
    if matches!(cli.command, Some(Command::Migrate)) {
        let config = configured(settings, MigrateConfig::read)?;
        return wait_for(migrate(&config.database_url));
    }
    let config = configured(settings, Config::read)?;
    let graphql = config.graphql.load()?;
    wait_for(serve(config, graphql))
}

fn configured<T>(
    settings: &Settings,
    read: impl FnOnce(&mut Reader<'_>) -> T,
) -> Result<T, String> {
    settings.read(read).map_err(|problems| problems.to_string())
}

fn wait_for(work: impl Future<Output = Result<(), String>>) -> Result<(), String> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("no threads could be started: {error}"))?
        .block_on(work)
}

fn say(text: &str) -> Result<(), String> {
    use std::io::Write as _;
    std::io::stdout()
        .write_all(text.as_bytes())
        .map_err(|error| error.to_string())
}

async fn connect(
    url: &SecretString,
    connections: u32,
) -> Result<api::app::DatabaseConnection, String> {
    let mut failures = 0;
    loop {
        let error = match api::app::connect(url.expose_secret(), connections).await {
            Ok(database) => return Ok(database),
            Err(error) => error,
        };
        failures += 1;
        if failures >= CONNECT.attempts.get() {
            return Err(format!("the database did not open: {error}"));
        }
        tracing::warn!(%error, "the database does not answer; trying again");
        tokio::time::sleep(CONNECT.delay(failures, &mut rand::rng())).await;
    }
}

async fn migrate(url: &SecretString) -> Result<(), String> {
    let database = connect(url, 2).await?;
    Migrator::up(&database, None)
        .await
        .map_err(|error| format!("the database could not be brought up to date: {error}"))?;
    tracing::info!("the database is up to date");
    Ok(())
}

/// The database must be as new as this program. It may be newer: migrations work with the version before, so that a
/// release can be taken back without them.
async fn up_to_date(database: &api::app::DatabaseConnection) -> Result<(), String> {
    let Standing { lacking, newer } = migration::standing(database)
        .await
        .map_err(|error| format!("the state of the database cannot be read: {error}"))?;
    if lacking > 0 {
        return Err(format!(
            "the database lacks {lacking} changes: run `muniment-api migrate` first"
        ));
    }
    if newer > 0 {
        tracing::warn!(newer, "the database was changed by a newer version");
    }
    Ok(())
}

async fn serve(config: Config, graphql: api::graphql::Settings) -> Result<(), String> {
    let listener = TcpListener::bind(config.listen)
        .await
        .map_err(|error| format!("{} cannot be listened on: {error}", config.listen))?;
    let shutdown = Shutdown::new();
    shutdown
        .listen()
        .map_err(|error| format!("signals cannot be waited for: {error}"))?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let verifier = identity(&config, &clock)?;
    let checkpoint_key =
        api::checkpoints::key::configured(config.checkpoint_key.expose_secret())
            .map_err(|error| format!("the key of the log of events cannot be used: {error}"))?;
    let database = connect(&config.database_url, config.connections).await?;
    up_to_date(&database).await?;
    let app = App::new(Parts {
        database,
        objects: objects(&config).await,
        clock,
        ids: Arc::new(SystemIds),
        limits: Limits {
            republish_after: config.republish_after,
            ..Limits::default()
        },
        checkpoint_key: Arc::new(checkpoint_key),
        further_checks: config.check_queues.keys().cloned().collect(),
    });
    api::checkpoints::service::check_key(&app)
        .await
        .map_err(|error| match error {
            api::Error::Precondition(message) => message,
            error => format!("the log of events cannot be read: {error:?}"),
        })?;
    let adopted = api::events::chain::adopt(&app)
        .await
        .map_err(|error| format!("the events of the version before have no place: {error:?}"))?;
    if adopted > 0 {
        tracing::info!(adopted, "events of the version before have their places");
    }
    telemetry::measures::record(api::measures::MEASURES);
    let queue: Arc<dyn Queue> =
        Arc::new(SqsQueue::new(&config.queues.access, &config.queues.jobs).await);
    let mut queues = HashMap::from([(contract::messages::JOBS_QUEUE.to_owned(), queue)]);
    for (kind, url) in &config.check_queues {
        let queue = SqsQueue::new(&config.queues.access, url).await;
        queues.insert(kind.clone(), Arc::new(queue));
    }
    let (of, stop, announce) = (app.clone(), shutdown.clone(), queues.clone());
    shutdown.spawn_vital("dispatcher", async move {
        Dispatcher::run(of, announce, &stop).await;
    });
    let (of, stop) = (app.clone(), shutdown.clone());
    shutdown.spawn_vital(
        "reconciler",
        async move { reconciler::run(of, &stop).await },
    );
    let (of, stop) = (app.clone(), shutdown.clone());
    drop(shutdown.spawn("gauges", async move { gauges::run(of, &stop).await }));
    let (of, stop) = (app.clone(), shutdown.clone());
    shutdown.spawn_vital("changes of others", async move {
        api::changes::follow_others(of, &stop).await;
    });
    let stop = shutdown.clone();
    drop(shutdown.spawn("metrics", async move {
        telemetry::measures::keep(&stop).await;
    }));
    let unread = graphql.limits.send;
    let router = api::server::router(app, verifier, queues, graphql);
    let address = api::server::serve(listener, router, unread, &shutdown)
        .map_err(|error| format!("the server did not start: {error}"))?;
    tracing::info!(%address, "the API begins");
    shutdown.soft().cancelled().await;
    let drained = shutdown.drain(config.grace).await;
    tracing::info!(?drained, "the API has ended");
    shutdown.outcome().map_err(|error| error.to_string())
}

fn identity(config: &Config, clock: &Arc<dyn Clock>) -> Result<Arc<dyn TokenVerifier>, String> {
    match &config.identity {
        Identity::Provider(settings) => {
            if settings.max_age.is_none() {
                tracing::warn!(
                    "MUNIMENT_OIDC_MAX_AGE=none: a role that is taken away lasts as long as the token that has it"
                );
            }
            let provider = OpenIdConnect::new((**settings).clone(), Arc::clone(clock));
            let provider = provider
                .map_err(|problems| format!("the provider cannot be used: {problems:?}"))?;
            Ok(Arc::new(provider))
        }
        Identity::Key(file) => {
            if !std::path::Path::new(file).is_file() {
                return Err(format!(
                    "there is no key at {file}: `muniment token --data DIR` makes one, DIR/identity/token-key.p8"
                ));
            }
            let identity = EmbeddedIdentity::open(file.as_ref(), Arc::clone(clock))
                .map_err(|error| format!("the key of tokens cannot be used: {error}"))?;
            Ok(Arc::new(identity))
        }
    }
}

async fn objects(config: &Config) -> ObjectStore {
    let client = s3::client(&config.s3).await;
    let store =
        ObjectStore::new(client, config.buckets.clone()).encrypting_with(config.s3.kms_key.clone());
    let Some(endpoint) = &config.public_endpoint else {
        return store;
    };
    let signer = s3::client(&S3Settings {
        access: Access {
            endpoint: Some(endpoint.clone()),
            ..config.s3.access.clone()
        },
        ..config.s3.clone()
    })
    .await;
    store.signing_with(signer)
}
