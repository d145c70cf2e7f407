//! One GraphQL request over HTTP.

use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::StreamExt;
use graphql_client::{GraphQLQuery, QueryBody};
use runtime::secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};

use super::error::looks_like_graphql;
use super::patience::Patience;
use super::token::Token;
use super::{ClientError, Objects};
use crate::failure::{Failure, chain};

const CONNECT: Duration = Duration::from_secs(10);
const REQUEST: Duration = Duration::from_mins(1);
/// A page of 100 records with all that is asked of them stays far below this.
const LARGEST_ANSWER: usize = 32 * 1024 * 1024;
const ACCEPT: &str = "application/graphql-response+json, application/json;q=0.9";

/// The API, reached by its URL with a token.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    url: reqwest::Url,
    token: Token,
    http: reqwest::Client,
    patience: Patience,
    objects: Objects,
}

/// An HTTP client for a server at `url`.
fn http(url: &reqwest::Url) -> Result<reqwest::Client, Failure> {
    built(reqwest::Client::builder().connect_timeout(CONNECT), url)
}

/// The HTTP client for a server at `url`, whatever else it is to be.
pub(crate) fn built(
    builder: reqwest::ClientBuilder,
    url: &reqwest::Url,
) -> Result<reqwest::Client, Failure> {
    let loopback = url.host_str().is_some_and(runtime::net::is_loopback);
    let mut builder = builder.user_agent(concat!("muniment/", env!("CARGO_PKG_VERSION")));
    if loopback {
        // A proxy from the environment does not reach this machine.
        builder = builder.no_proxy();
    }
    builder
        .build()
        .map_err(|error| Failure::new(format!("HTTP could not be set up: {}", chain(&error))))
}

impl Client {
    /// A client of the GraphQL endpoint at `url`. Nothing is sent yet.
    pub(crate) fn new(
        url: reqwest::Url,
        token: Token,
        patience: Patience,
    ) -> Result<Self, Failure> {
        let http = http(&url)?;
        let objects = Objects::new(http.clone(), patience.anew());
        Ok(Self {
            url,
            token,
            http,
            patience,
            objects,
        })
    }

    /// The object store, reached by the URLs that the API gives.
    pub(crate) fn objects(&self) -> &Objects {
        &self.objects
    }

    /// Patience with the API, for what is more than one request.
    pub(crate) fn patience(&self) -> &Patience {
        &self.patience
    }

    /// The GraphQL endpoint.
    pub(crate) fn url(&self) -> &reqwest::Url {
        &self.url
    }

    /// Sends one operation, and again while the server is away.
    pub(super) async fn ask<Q: GraphQLQuery>(
        &self,
        variables: Q::Variables,
    ) -> Result<Q::ResponseData, ClientError> {
        let body = Q::build_query(variables);
        self.patience
            .retry(ClientError::is_passing, || self.ask_once::<Q>(&body))
            .await
    }

    async fn ask_once<Q: GraphQLQuery>(
        &self,
        body: &QueryBody<Q::Variables>,
    ) -> Result<Q::ResponseData, ClientError>
    where
        Q::Variables: Serialize,
    {
        let response = self
            .http
            .post(self.url.clone())
            .timeout(REQUEST)
            .bearer_auth(self.token.now()?.expose_secret())
            .header("accept", ACCEPT)
            .json(body)
            .send()
            .await
            .map_err(ClientError::from_http)?;
        let status = response.status();
        let text = bounded(response).await?;
        let json: serde_json::Value = match serde_json::from_slice(&text) {
            Ok(json) if looks_like_graphql(&json) => json,
            _ if status.is_success() => return Err(ClientError::malformed("no GraphQL in it")),
            _ => return Err(ClientError::Status(status.as_u16())),
        };
        // Errors first: beside them, the data may be in pieces.
        let errors: Option<Vec<graphql_client::Error>> = json
            .get("errors")
            .map(Option::<Vec<_>>::deserialize)
            .transpose()
            .map_err(ClientError::malformed)?
            .flatten();
        if let Some(error) = errors.as_deref().and_then(ClientError::from_graphql) {
            return Err(error);
        }
        let answer: graphql_client::Response<Q::ResponseData> =
            serde_json::from_value(json).map_err(ClientError::malformed)?;
        answer
            .data
            .ok_or_else(|| ClientError::malformed("neither data nor errors"))
    }

    /// An error in words for the person who gave the command.
    pub(crate) fn explain(&self, error: &ClientError, now: DateTime<Utc>) -> Failure {
        let server = self.url.origin().ascii_serialization();
        if error.is_unauthenticated() {
            let renew = "get a new one with `muniment token --role … --data DIR`, or where you sign in; for long work, an \
                         API key, or --token-file with a file that is kept fresh";
            return match self.token.expiry() {
                Some(end) if end <= now => Failure::new(format!(
                    "the token expired at {}",
                    end.format("%Y-%m-%d %H:%M:%S UTC")
                )),
                _ => Failure::new(format!("{server} does not take this token ({error})")),
            }
            .hint(renew);
        }
        if error.is_forbidden() {
            return Failure::new(format!("this token may not do that: {error}"))
                .hint("use a token with another role or body");
        }
        match error {
            ClientError::Transport(_) | ClientError::Status(_) => {
                Failure::new(format!("{error}, at {server}"))
            }
            ClientError::Unsendable(_)
            | ClientError::Refused { .. }
            | ClientError::Malformed(_) => Failure::new(error.to_string()),
        }
    }
}

async fn bounded(response: reqwest::Response) -> Result<Vec<u8>, ClientError> {
    let mut text = Vec::new();
    let mut chunks = response.bytes_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(ClientError::from_http)?;
        if text.len() + chunk.len() > LARGEST_ANSWER {
            return Err(ClientError::malformed("it is too large"));
        }
        text.extend_from_slice(&chunk);
    }
    Ok(text)
}
