//! The worker's token from an OpenID Connect provider, by the client-credentials grant (RFC 6749, section 4.4).
//!
//! Owns when a token is asked for, and how long it is kept. Does not own when the API refuses one (`http`).
//!
//! Always: one request for a token at a time, whoever waits for it; the secret goes only to the token endpoint
//! of the configured issuer, follows no redirect and stands in no error; a request is bounded in time and
//! size.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use form_urlencoded::byte_serialize;
use runtime::clock::Clock;
use runtime::openid::{self, OpenId, OpenIdError};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::sync::Mutex;

use super::{ApiError, TokenSource};

/// How long a token is kept whose provider does not say how long it is valid.
const UNTOLD: Duration = Duration::from_mins(1);
/// A token is not used in the last part of its time: it must still be valid where it arrives.
const MARGIN: Duration = Duration::from_secs(30);
/// The longest token that is taken: the API looks at no longer one.
const LARGEST_TOKEN: usize = 16 * 1024;

/// Who the worker is, and for whom.
#[derive(Debug, Clone)]
pub struct ClientCredentialsSettings {
    /// The provider's name, exactly as its discovery document has it.
    pub issuer: String,
    /// The worker's name at the provider.
    pub client_id: String,
    /// Its secret.
    pub client_secret: SecretString,
    /// What is asked for, if the provider wants that said.
    pub scope: Option<String>,
    /// For whom the token is, if the provider wants that said: sent as `audience`, and as `resource` (RFC 8707)
    /// where it is a URI.
    pub audience: Option<String>,
    /// The provider may be asked over plain HTTP, as inside a closed network.
    pub plain_http: bool,
}

/// Gets tokens for the worker's own name.
pub struct ClientCredentials {
    settings: ClientCredentialsSettings,
    openid: OpenId,
    http: reqwest::Client,
    clock: Arc<dyn Clock>,
    kept: Mutex<Option<Kept>>,
    refused: std::sync::Mutex<Option<SecretString>>,
}

struct Kept {
    token: SecretString,
    /// When another is asked for.
    renew: Duration,
    /// When it is no longer used.
    end: Duration,
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    token_type: String,
    #[serde(default)]
    expires_in: Option<u64>,
}

/// RFC 6749, section 5.2.
#[derive(Deserialize)]
struct Denied {
    error: String,
}

fn failed(message: impl std::fmt::Display) -> ApiError {
    ApiError::Token(message.to_string())
}

impl ClientCredentials {
    /// Asks nobody yet: the first token is asked for when it is needed.
    pub fn new(
        settings: ClientCredentialsSettings,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, OpenIdError> {
        openid::check_issuer(&settings.issuer, settings.plain_http)?;
        Ok(Self {
            openid: OpenId::new(settings.plain_http)?,
            http: openid::client_with_secrets()?,
            settings,
            clock,
            kept: Mutex::default(),
            refused: std::sync::Mutex::default(),
        })
    }

    /// `client_secret_basic`: both halves form-encoded before they are put together (RFC 6749, section 2.3.1).
    fn authorization(&self) -> (String, String) {
        let encode = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
        (
            encode(&self.settings.client_id),
            encode(self.settings.client_secret.expose_secret()),
        )
    }

    fn body(&self) -> String {
        let mut body = form_urlencoded::Serializer::new(String::new());
        body.append_pair("grant_type", "client_credentials");
        if let Some(scope) = &self.settings.scope {
            body.append_pair("scope", scope);
        }
        if let Some(audience) = &self.settings.audience {
            body.append_pair("audience", audience);
            if reqwest::Url::parse(audience).is_ok() {
                body.append_pair("resource", audience);
            }
        }
        body.finish()
    }

    async fn ask(&self) -> Result<Kept, ApiError> {
        let began = self.clock.monotonic();
        let provider = self.openid.discover(&self.settings.issuer).await;
        let address = provider
            .map_err(failed)?
            .token_endpoint
            .ok_or_else(|| failed("the provider has no `token_endpoint`"))?;
        let url = openid::check(&address, self.settings.plain_http).map_err(failed)?;
        let (id, secret) = self.authorization();
        let response = self
            .http
            .post(url)
            .basic_auth(id, Some(secret))
            .header("content-type", "application/x-www-form-urlencoded")
            .header("accept", "application/json")
            .body(self.body())
            .send()
            .await
            .map_err(|error| failed(openid::transport(&address, &error)))?;
        let status = response.status();
        let body = openid::bounded(&address, response).await.map_err(failed)?;
        if !status.is_success() {
            let code = serde_json::from_slice::<Denied>(&body).map(|denied| denied.error);
            let code: String = code.unwrap_or_default().chars().take(100).collect();
            return Err(failed(format!(
                "{address} answered with HTTP status {} {}",
                status.as_u16(),
                code.escape_debug()
            )));
        }
        let granted: Granted = serde_json::from_slice(&body)
            .map_err(|_| failed(format!("{address} answered with no token")))?;
        Self::keep(granted, began).map_err(|what| failed(format!("{address} answered with {what}")))
    }

    fn keep(granted: Granted, began: Duration) -> Result<Kept, &'static str> {
        if !granted.token_type.eq_ignore_ascii_case("bearer") {
            return Err("a token that is no bearer token");
        }
        let token = &granted.access_token;
        let sendable = token.bytes().all(|byte| byte.is_ascii_graphic());
        if token.is_empty() || token.len() > LARGEST_TOKEN || !sendable {
            return Err("a token that cannot be sent");
        }
        let lifetime = granted.expires_in.map_or(UNTOLD, Duration::from_secs);
        // A token that lives a minute or less is used for half of it.
        let margin = MARGIN.min(lifetime / 2);
        Ok(Kept {
            token: granted.access_token.into(),
            renew: began.saturating_add(lifetime.saturating_sub(margin)),
            end: began.saturating_add(lifetime),
        })
    }

    /// Whether the API did not take this one; another one that it refused is of no interest.
    fn was_refused(&self, token: &SecretString) -> bool {
        let refused = self
            .refused
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let refused = refused.as_ref().map(ExposeSecret::expose_secret);
        refused == Some(token.expose_secret())
    }
}

#[async_trait]
impl TokenSource for ClientCredentials {
    async fn token(&self) -> Result<SecretString, ApiError> {
        let mut kept = self.kept.lock().await;
        let now = self.clock.monotonic();
        let usable = kept.as_ref().filter(|kept| !self.was_refused(&kept.token));
        if let Some(usable) = usable.filter(|kept| now < kept.renew) {
            return Ok(usable.token.clone());
        }
        match self.ask().await {
            Ok(new) => Ok(kept.insert(new).token.clone()),
            Err(error) => match usable.filter(|kept| now < kept.end) {
                Some(usable) => {
                    tracing::warn!(%error, "the token was not renewed; the one at hand is still valid");
                    Ok(usable.token.clone())
                }
                None => Err(error),
            },
        }
    }

    fn refused(&self, token: &SecretString) {
        let mut refused = self
            .refused
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        *refused = Some(token.clone());
    }
}
