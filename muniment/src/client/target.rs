//! Which server a command talks to.
//!
//! Owns the options that say so, shared by all commands that are clients of the API, and
//! starting the embedded system where none is named. Does not own the system (`system`).

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use runtime::clock::{Clock, SystemClock};

use super::Client;
use super::patience::Patience;
use super::token::Token;
use crate::failure::Failure;
use crate::interrupt;
use crate::progress::Screen;
use crate::system::{Settings, System, TokenRequest};
use crate::text::plain;

/// How long the token of a command that starts its own system holds.
const OWN_TOKEN: Duration = Duration::from_hours(7 * 24);

/// The options of every command that talks to a server.
#[derive(Debug, Clone, Args)]
pub(crate) struct Target {
    /// Address of a running Muniment; without it, one is started here for this command
    #[arg(long, value_name = "URL", env = "MUNIMENT_SERVER", requires = "proof")]
    server: Option<String>,

    /// What proves who you are to that server; `muniment token` makes one
    #[arg(
        long,
        value_name = "TOKEN",
        env = "MUNIMENT_TOKEN",
        hide_env_values = true,
        group = "proof"
    )]
    token: Option<String>,

    /// File with that token, read again for each request: for tokens that last a minute, and that somebody renews
    #[arg(
        long,
        value_name = "FILE",
        env = "MUNIMENT_TOKEN_FILE",
        group = "proof"
    )]
    token_file: Option<PathBuf>,

    /// Data folder of the system that is started here
    #[arg(long, value_name = "DIR", default_value = "data")]
    data: PathBuf,

    /// How many seconds to go on trying while the server or the object store is away
    #[arg(long, value_name = "SECONDS", default_value_t = 120, value_parser = clap::value_parser!(u32).range(0..=86_400))]
    patience: u32,
}

/// A client, and the system behind it where this command started one.
#[derive(Debug)]
pub(crate) struct Session {
    /// The API.
    pub(crate) client: Client,
    system: Option<System>,
}

impl Target {
    /// Reaches the server, or starts one.
    pub(crate) async fn connect(&self, screen: &Screen) -> Result<Session, Failure> {
        let (system, url, token) = if let Some(server) = &self.server {
            let token = match &self.token_file {
                Some(file) => Token::File(file.clone()),
                None => Token::given(self.token.as_deref().unwrap_or_default())?,
            };
            (None, endpoint(server)?, token)
        } else {
            let system = System::start(Settings::private(&self.data)).await?;
            let token = system.token(&TokenRequest {
                roles: vec!["ADMIN".to_owned()],
                bodies: Vec::new(),
                subject: "muniment-cli".to_owned(),
                lifetime: OWN_TOKEN,
            })?;
            let url = endpoint(&system.api_url())?;
            (Some(system), url, Token::Fixed(token))
        };
        let patience = Duration::from_secs(self.patience.into());
        let client = Client::new(url, token, Patience::new(screen.clone(), patience))?;
        let session = Session { client, system };
        match session.client.viewer().await {
            Ok(()) => Ok(session),
            Err(error) => {
                let failure = session.client.explain(&error, SystemClock.now());
                session.close().await;
                Err(failure)
            }
        }
    }

    /// The data folder of the system that is started here.
    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    /// Whether a system is started for this command alone.
    pub(crate) fn is_own(&self) -> bool {
        self.server.is_none()
    }
}

impl Session {
    /// The work, unless it is interrupted, or a part of the system that was started for it ends before its time.
    pub(crate) async fn unless_broken<T>(
        &self,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let broken = async {
            match &self.system {
                Some(system) => system.broken().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            result = interrupt::or(work) => result,
            failure = broken => Err(failure),
        }
    }

    /// Stops the system that was started for this command.
    pub(crate) async fn close(self) {
        if let Some(system) = self.system {
            system.shutdown().await;
        }
    }
}

/// The GraphQL endpoint of an address as people write it.
fn endpoint(server: &str) -> Result<reqwest::Url, Failure> {
    let wrong = || {
        Failure::new(format!("{} is not the address of a server", plain(server)))
            .hint("an address looks like http://127.0.0.1:8080")
    };
    let mut url = reqwest::Url::parse(server).map_err(|_| wrong())?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(wrong());
    }
    if url.path() == "/" {
        url.set_path("/graphql");
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_leave_out_the_path() {
        for (given, meant) in [
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080/graphql"),
            ("http://127.0.0.1:8080/", "http://127.0.0.1:8080/graphql"),
            ("https://a.example/graphql", "https://a.example/graphql"),
            (
                "https://a.example/muniment/api",
                "https://a.example/muniment/api",
            ),
        ] {
            assert_eq!(
                endpoint(given).map(|url| url.to_string()),
                Ok(meant.to_owned())
            );
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for given in [
            "",
            "localhost:8080",
            "127.0.0.1:8080",
            "ftp://a.example",
            "http://",
        ] {
            assert!(endpoint(given).is_err(), "{given}");
        }
    }
}
