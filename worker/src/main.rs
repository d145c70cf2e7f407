//! `muniment-worker`: takes jobs and does them, as a process of its own, configured by the environment.
//!
//! Owns how the parts are put together and stopped. Does not own any of them.

use std::{path::PathBuf, process::ExitCode, sync::Arc, time::Duration};

use async_trait::async_trait;
use clap::Parser;
use pronom::Signatures;
use runtime::{
    clock::{Clock, SystemClock},
    config,
    queue::{Queue, sqs::SqsQueue},
    s3,
    secrecy::SecretString,
    services,
    shutdown::Shutdown,
    telemetry,
};
use tokio::net::TcpListener;
use worker::{
    Worker,
    checks::antivirus::{Clamd, NoEngine, Scanner},
    client::{Api, ApiError, ClientCredentials, HttpApi, TokenSource, client_for},
    health::{self, Health},
    settings::{Identity, ROWS, Settings},
    uploads,
};

/// What is left for cleaning up and handing back, beyond the time that jobs have.
const HAND_BACK: Duration = Duration::from_secs(20);

/// The worker of Muniment: checks, moves and packs files.
///
/// It is configured by the environment; --settings prints the table.
#[derive(Debug, Parser)]
#[command(
    name = "muniment-worker",
    version,
    after_help = "\
Exit status: 0 it was stopped in order; 1 it could not be carried out, or a part of it failed.

Examples:
  muniment-worker --check-config
  muniment-worker"
)]
struct Cli {
    /// Say everything that is wrong with the settings, and do nothing else
    #[arg(long)]
    check_config: bool,

    /// Print the table of all settings
    #[arg(long)]
    settings: bool,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let settings = config::Settings::from_env("MUNIMENT_");
    if cli.settings || cli.check_config {
        return match answer(&cli, &settings) {
            Ok(()) => ExitCode::SUCCESS,
            Err(message) => {
                eprintln!("muniment-worker: {message}");
                ExitCode::FAILURE
            }
        };
    }
    let log = services::Telemetry::beforehand(&settings);
    let traces = telemetry::init("muniment-worker", log.format, log.filter.as_deref());
    let done = match &traces {
        Ok(_) => run(&settings),
        Err(error) => Err(error.to_string()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            telemetry::failed("muniment-worker", &message);
            ExitCode::FAILURE
        }
    }
}

/// What people ask, on the terminal.
fn answer(cli: &Cli, settings: &config::Settings) -> Result<(), String> {
    if cli.settings {
        return say(&services::table(ROWS.iter().chain(services::ROWS)));
    }
    configured(settings)?;
    say("the settings can be used\n")
}

fn run(settings: &config::Settings) -> Result<(), String> {
    let settings = configured(settings)?;
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("no threads could be started: {error}"))?
        .block_on(work(settings))
}

fn configured(settings: &config::Settings) -> Result<Settings, String> {
    let read = settings.read(Settings::read);
    read.map_err(|problems| problems.to_string())
}

fn say(text: &str) -> Result<(), String> {
    use std::io::Write as _;
    std::io::stdout()
        .write_all(text.as_bytes())
        .map_err(|error| error.to_string())
}

async fn work(settings: Settings) -> Result<(), String> {
    let signatures: &'static Signatures = match &settings.signatures {
        Some(files) => {
            let loaded = Signatures::load(&files.binary, files.container.as_deref());
            let loaded = loaded
                .map_err(|error| format!("the PRONOM signatures could not be loaded: {error}"))?;
            Box::leak(Box::new(loaded))
        }
        None => Signatures::builtin(),
    };
    let listener = TcpListener::bind(settings.listen)
        .await
        .map_err(|error| format!("{} cannot be listened on: {error}", settings.listen))?;
    let shutdown = Shutdown::new();
    shutdown
        .listen()
        .map_err(|error| format!("signals cannot be waited for: {error}"))?;
    telemetry::measures::record(worker::measures::MEASURES);
    let scanner: Arc<dyn Scanner> = match settings.clamd {
        Some(clamd) => Arc::new(Clamd::new(clamd)),
        None => Arc::new(NoEngine),
    };
    let access = &settings.queues.access;
    let queue: Arc<dyn Queue> = Arc::new(SqsQueue::new(access, &settings.queues.jobs).await);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let tokens: Arc<dyn TokenSource> = match settings.identity {
        Identity::TokenFile(file) => Arc::new(TokenFile(file)),
        Identity::Provider(provider) => Arc::new(
            ClientCredentials::new(*provider, Arc::clone(&clock))
                .map_err(|error| error.to_string())?,
        ),
    };
    let grace = settings.config.grace + HAND_BACK;
    let wait = settings.config.receive_wait;
    let api: Arc<dyn Api> = Arc::new(
        HttpApi::new(
            &settings.api_url,
            &settings.config.name,
            Arc::clone(&tokens),
            &settings.config.api,
        )
        .map_err(|error| error.to_string())?,
    );
    let mut uploads: Option<Arc<dyn Queue>> = None;
    if let Some(url) = &settings.uploads {
        uploads = Some(Arc::new(SqsQueue::new(access, url).await));
    }
    let objects = s3::client(&settings.s3).await;
    let asked = Health {
        scanner: Arc::clone(&scanner),
        queue: Arc::clone(&queue),
        uploads: uploads.clone(),
        objects: objects.clone(),
        tokens,
        api: beside(&settings.api_url, "/healthz")?,
        http: client_for(&settings.api_url)
            .build()
            .map_err(|error| error.to_string())?,
    };
    let stop = shutdown.clone();
    drop(shutdown.spawn("health", async move {
        health::serve(listener, asked, &stop).await;
    }));
    if let Some(queue) = uploads {
        let (api, stop) = (Arc::clone(&api), shutdown.clone());
        shutdown.spawn_vital("uploads", async move {
            uploads::run(api, queue, wait, &stop).await;
        });
    }
    let worker = Worker::with_api(
        settings.config,
        api,
        queue,
        objects,
        scanner,
        signatures,
        clock,
    );
    let stop = shutdown.clone();
    shutdown.spawn_vital("worker", async move { worker.run(&stop).await });
    shutdown.soft().cancelled().await;
    let drained = shutdown.drain(grace).await;
    tracing::info!(?drained, "the worker has ended");
    shutdown.outcome().map_err(|error| error.to_string())
}

/// Another path on the server of a URL.
fn beside(url: &str, path: &str) -> Result<String, String> {
    let mut url = reqwest::Url::parse(url)
        .map_err(|error| format!("MUNIMENT_API_URL is no address: {error}"))?;
    url.set_path(path);
    url.set_query(None);
    Ok(url.into())
}

/// A token in a file, which somebody may renew.
struct TokenFile(PathBuf);

#[async_trait]
impl TokenSource for TokenFile {
    async fn token(&self) -> Result<SecretString, ApiError> {
        let text = tokio::fs::read_to_string(&self.0)
            .await
            .map_err(|error| ApiError::Token(format!("the token cannot be read: {error}")))?;
        Ok(text.trim().to_owned().into())
    }
}
