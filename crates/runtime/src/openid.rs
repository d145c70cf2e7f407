//! What an OpenID Connect provider says of itself (OpenID Connect Discovery 1.0), over HTTP.
//!
//! Owns which addresses may be asked, the limits of time and size, and that the document is the configured
//! issuer's own. Does not own keys or tokens: those who ask for them do.
//!
//! Always: what is read is bounded; nothing goes over plain HTTP to another machine unless the operator said
//! so, not by a redirect either; an answer that names another issuer is refused.

use std::time::Duration;

use futures::StreamExt as _;
use reqwest::{Client, Url, redirect};
use serde::de::DeserializeOwned;

/// The most bytes of one document: providers with dozens of keys stay below a tenth of it.
pub const LARGEST: usize = 256 * 1024;
const CONNECT: Duration = Duration::from_secs(3);
const ANSWER: Duration = Duration::from_secs(5);
const REDIRECTS: usize = 3;

/// Why a provider gave no answer that can be used. It is for the log: a client is told less.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenIdError {
    /// The address is not one that may be asked.
    #[error("{0} is not https: a provider elsewhere than on this machine must be")]
    Insecure(String),
    /// It is no address.
    #[error("{0:?} is no address of a provider")]
    Address(String),
    /// No answer came.
    #[error("{0} did not answer: {1}")]
    Transport(String, String),
    /// The answer is an error.
    #[error("{0} answered with HTTP status {1}")]
    Status(String, u16),
    /// The answer is longer than any honest one.
    #[error("{0} answered with more than {LARGEST} bytes")]
    TooLarge(String),
    /// The answer is not what the standard says.
    #[error("the answer of {0} was not understood: {1}")]
    Malformed(String, String),
    /// The document is that of another issuer.
    #[error("{expected} calls itself {found:?}")]
    Issuer {
        /// As it is configured.
        expected: String,
        /// As the document has it.
        found: String,
    },
}

/// Where things are at a provider.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
pub struct Provider {
    /// Its name, which stands in each token.
    pub issuer: String,
    /// Where its public keys are.
    #[serde(default)]
    pub jwks_uri: Option<String>,
    /// Where tokens are given out.
    #[serde(default)]
    pub token_endpoint: Option<String>,
}

/// Asks providers.
#[derive(Debug, Clone)]
pub struct OpenId {
    http: Client,
    plain: bool,
}

/// Whether an address may be asked: https, or http on this machine; `plain`: any http.
pub fn check(address: &str, plain: bool) -> Result<Url, OpenIdError> {
    let url = Url::parse(address).map_err(|_| OpenIdError::Address(address.to_owned()))?;
    if url.host_str().is_none() || !url.username().is_empty() || url.password().is_some() {
        return Err(OpenIdError::Address(address.to_owned()));
    }
    if allowed(&url, plain) {
        Ok(url)
    } else {
        Err(OpenIdError::Insecure(address.to_owned()))
    }
}

/// The same of an issuer, which has neither query nor fragment.
pub fn check_issuer(issuer: &str, plain: bool) -> Result<(), OpenIdError> {
    let url = check(issuer, plain)?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err(OpenIdError::Address(issuer.to_owned()));
    }
    Ok(())
}

fn on_this_machine(url: &Url) -> bool {
    url.host_str().is_some_and(crate::net::is_loopback)
}

fn allowed(url: &Url, plain: bool) -> bool {
    match url.scheme() {
        "https" => true,
        "http" => plain || on_this_machine(url),
        _ => false,
    }
}

/// Where a redirect may lead: never from a secure address to one that is not, never from elsewhere to this
/// machine.
fn may_follow(from: &Url, to: &Url, plain: bool) -> bool {
    let downgrade = from.scheme() == "https" && to.scheme() != "https";
    let inwards = on_this_machine(to) && !on_this_machine(from);
    allowed(to, plain) && !downgrade && !inwards
}

/// An HTTP client for providers: bounded in time, follows few redirects and only to where it may.
pub fn client(plain: bool) -> Result<Client, OpenIdError> {
    let policy = redirect::Policy::custom(move |attempt| {
        let from = attempt.previous().last().cloned();
        match from {
            Some(from)
                if attempt.previous().len() <= REDIRECTS
                    && may_follow(&from, attempt.url(), plain) =>
            {
                attempt.follow()
            }
            _ => attempt.error("this redirect is not followed"),
        }
    });
    build(policy)
}

/// The same for requests that carry a secret: it follows no redirect at all.
pub fn client_with_secrets() -> Result<Client, OpenIdError> {
    build(redirect::Policy::none())
}

fn build(policy: redirect::Policy) -> Result<Client, OpenIdError> {
    Client::builder()
        .connect_timeout(CONNECT)
        .timeout(ANSWER)
        .redirect(policy)
        .user_agent(concat!("muniment/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| transport("the HTTP client", &error))
}

/// What went wrong, with its causes: the outer error names only the address.
pub fn transport(address: &str, error: &reqwest::Error) -> OpenIdError {
    let mut innermost: &dyn std::error::Error = error;
    while let Some(inner) = innermost.source() {
        innermost = inner;
    }
    let text = if error.is_timeout() {
        "it took too long".to_owned()
    } else {
        innermost.to_string()
    };
    OpenIdError::Transport(address.to_owned(), text)
}

/// Reads a body up to [`LARGEST`].
pub async fn bounded(address: &str, response: reqwest::Response) -> Result<Vec<u8>, OpenIdError> {
    let mut bytes = Vec::new();
    let mut chunks = response.bytes_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| transport(address, &error))?;
        if bytes.len() + chunk.len() > LARGEST {
            return Err(OpenIdError::TooLarge(address.to_owned()));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

impl OpenId {
    /// `plain`: also over http to other machines, as inside a closed network.
    pub fn new(plain: bool) -> Result<Self, OpenIdError> {
        Ok(Self {
            http: client(plain)?,
            plain,
        })
    }

    /// What the provider says of itself.
    pub async fn discover(&self, issuer: &str) -> Result<Provider, OpenIdError> {
        let base = issuer.trim_end_matches('/');
        let address = format!("{base}/.well-known/openid-configuration");
        let provider: Provider = self.json(&address).await?;
        if provider.issuer != issuer {
            let found = provider.issuer.chars().take(200).collect();
            return Err(OpenIdError::Issuer {
                expected: issuer.to_owned(),
                found,
            });
        }
        Ok(provider)
    }

    /// A JSON document.
    pub async fn json<T: DeserializeOwned>(&self, address: &str) -> Result<T, OpenIdError> {
        let url = check(address, self.plain)?;
        let request = self.http.get(url).header("accept", "application/json");
        let response = request
            .send()
            .await
            .map_err(|error| transport(address, &error))?;
        let status = response.status();
        if !status.is_success() {
            return Err(OpenIdError::Status(address.to_owned(), status.as_u16()));
        }
        let body = bounded(address, response).await?;
        serde_json::from_slice(&body)
            .map_err(|error| OpenIdError::Malformed(address.to_owned(), error.to_string()))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may")]
mod tests {
    use super::*;

    #[test]
    fn only_secure_addresses_are_asked_and_those_of_this_machine() {
        for (address, plain, taken) in [
            ("https://id.example.org/realms/a", false, true),
            ("http://id.example.org", false, false),
            ("http://id.example.org", true, true),
            ("http://localhost:8080", false, true),
            ("http://127.0.0.1:8080", false, true),
            ("http://127.1.2.3", false, true),
            ("http://[::1]:8080", false, true),
            ("http://localhost.example.org", false, false),
            ("http://10.0.0.1", false, false),
            ("file:///etc/passwd", true, false),
            ("ftp://localhost", true, false),
            ("https://user:password@id.example.org", false, false),
            ("id.example.org", false, false),
            ("", false, false),
        ] {
            assert_eq!(check(address, plain).is_ok(), taken, "{address} {plain}");
        }
    }

    #[test]
    fn an_issuer_has_neither_query_nor_fragment() {
        for (issuer, taken) in [
            ("https://id.example.org/", true),
            ("https://id.example.org?a=b", false),
            ("https://id.example.org/#a", false),
        ] {
            assert_eq!(check_issuer(issuer, false).is_ok(), taken, "{issuer}");
        }
    }

    #[test]
    fn a_redirect_leads_neither_to_plain_http_nor_inwards() {
        let url = |text: &str| Url::parse(text).unwrap();
        for (from, to, follows) in [
            ("https://a.example", "https://b.example", true),
            ("https://a.example", "http://b.example", false),
            ("https://a.example", "http://127.0.0.1", false),
            ("https://a.example", "https://127.0.0.1", false),
            ("http://127.0.0.1:1", "http://127.0.0.1:2", true),
            ("http://127.0.0.1:1", "https://a.example", true),
            ("http://127.0.0.1:1", "http://b.example", false),
            ("https://a.example", "file:///etc/passwd", false),
        ] {
            assert_eq!(
                may_follow(&url(from), &url(to), false),
                follows,
                "{from} {to}"
            );
        }
        assert!(
            !may_follow(&url("https://a.example"), &url("http://b.example"), true),
            "also where plain http may be asked"
        );
    }
}
