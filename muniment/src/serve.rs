//! `muniment serve`: everything in one process, until it is stopped.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use runtime::clock::{Clock, SystemClock};
use runtime::secrecy::ExposeSecret;

use crate::failure::{Failure, Outcome};
use crate::interrupt;
use crate::output;
use crate::progress::Screen;
use crate::signatures;
use crate::system::{Settings, System, TokenRequest};

/// How long the token that is printed at the start holds.
const SIGN_IN: Duration = Duration::from_hours(12);

/// The options of `muniment serve`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Starts the API, the worker, the object store, the queue and the database over one folder, and
prints the address of the API and a token to sign in with. Ctrl-C finishes what is in hand and
stops; a second Ctrl-C stops at once. What was cut off goes on at the next start.

Formats are identified with the PRONOM signatures that MUNIMENT_PRONOM_SIGNATURES (a path; with
MUNIMENT_PRONOM_CONTAINERS beside it) names, else with those that `muniment signatures update` put
into the data folder, else with the built-in ones; it is said which, and when they are old.

Examples:
  muniment serve
  muniment serve --data /var/lib/muniment --listen 0.0.0.0:8080 --public records.example.org")]
pub(crate) struct Arguments {
    /// The data folder; made if it is not there
    #[arg(long, value_name = "DIR", default_value = "data")]
    data: PathBuf,

    /// Where the API listens
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,

    /// Name or address by which others reach this machine; files go to the object store by it, which
    /// listens beside the API on a port of its own
    #[arg(long, value_name = "HOST")]
    public: Option<String>,
}

/// Carries the command out.
pub(crate) async fn run(arguments: &Arguments, screen: &Screen) -> Result<Outcome, Failure> {
    if arguments.listen.ip().is_unspecified() && arguments.public.is_none() {
        return Err(Failure::new(format!(
            "{} is every address of this machine, and none that others could be sent to",
            arguments.listen.ip()
        ))
        .hint("say by which name or address they reach it, with --public HOST"));
    }
    let settings = Settings {
        data: arguments.data.clone(),
        listen: arguments.listen,
        public: arguments.public.clone(),
    };
    let system = interrupt::or(System::start(settings)).await?;
    let token = system.token(&TokenRequest {
        roles: vec!["ADMIN".to_owned(), "ARCHIVIST".to_owned()],
        bodies: Vec::new(),
        subject: "local".to_owned(),
        lifetime: SIGN_IN,
    })?;
    output::line(format_args!("API    {}", system.public_url()))?;
    output::line(format_args!("token  {}", token.expose_secret()))?;
    let in_use = system.signatures();
    output::line(format_args!("formats {}", signatures::described(in_use)))?;
    if let Some(old) = signatures::aged(in_use, SystemClock.now()) {
        screen.say(old);
    }
    if !system.scans() {
        screen.say("no antivirus engine: files are not scanned (MUNIMENT_CLAMD names one)");
    }
    let end = tokio::select! {
        () = interrupt::wait() => Ok(Outcome::Good),
        broken = system.broken() => Err(broken),
    };
    screen.say("stopping when what is in hand is finished; interrupt again to stop at once");
    interrupt::unless_again(system.shutdown()).await;
    end
}
