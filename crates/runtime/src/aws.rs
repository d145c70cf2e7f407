//! What every client of AWS, or of something that speaks as AWS does, begins with.
//!
//! Owns region, endpoint, credentials, time-outs and retries. Does not own what is special to
//! one service (`s3`, `queue::sqs`).
//!
//! Always: connecting is bounded in time, and retries in number.

use std::num::NonZeroU32;
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{AppName, BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use secrecy::{ExposeSecret, SecretString};

/// How to reach a service and as whom.
#[derive(Debug, Clone)]
pub struct Access {
    /// `None`: from the AWS environment, or `us-east-1`.
    pub region: Option<String>,
    /// `None`: AWS's own.
    pub endpoint: Option<String>,
    /// `None`: AWS's default chain (environment, profile, container, instance).
    pub keys: Option<Keys>,
    /// How long a connection may take to be made.
    pub connect_timeout: Duration,
    /// How long the answer's first byte may take, counted from the request's first. It must
    /// leave time for the largest body that is sent in one request.
    pub read_timeout: Duration,
    /// How often a request is tried in all.
    pub attempts: NonZeroU32,
}

impl Default for Access {
    /// AWS itself, by its default chain.
    fn default() -> Self {
        Self {
            region: None,
            endpoint: None,
            keys: None,
            connect_timeout: Duration::from_secs(5),
            read_timeout: Duration::from_mins(2),
            attempts: NonZeroU32::MIN.saturating_add(3),
        }
    }
}

/// A fixed pair of keys.
#[derive(Debug, Clone)]
pub struct Keys {
    /// The public half.
    pub access_key: String,
    /// The secret half.
    pub secret_key: SecretString,
}

/// An error and its causes in one line for the log. The SDK's own text of an error is only
/// its kind, and its debug form is the whole response.
pub fn describe(error: &dyn std::error::Error) -> String {
    let mut said = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if said.last() != Some(&text) {
            said.push(text);
        }
        cause = error.source();
    }
    said.join(": ")
}

impl Access {
    /// The configuration that clients of single services are built from.
    pub async fn load(&self) -> SdkConfig {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(self.connect_timeout)
            .read_timeout(self.read_timeout)
            .build();
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .timeout_config(timeouts)
            .retry_config(RetryConfig::standard().with_max_attempts(self.attempts.get()));
        if let Ok(name) = AppName::new("muniment") {
            loader = loader.app_name(name);
        }
        if let Some(endpoint) = &self.endpoint {
            loader = loader.endpoint_url(endpoint);
        }
        // Asking an instance for the region takes seconds where there is no instance.
        match (&self.region, &self.keys) {
            (Some(region), _) => loader = loader.region(Region::new(region.clone())),
            (None, Some(_)) => loader = loader.region(Region::from_static("us-east-1")),
            (None, None) => {}
        }
        if let Some(keys) = &self.keys {
            loader = loader.credentials_provider(Credentials::new(
                &keys.access_key,
                keys.secret_key.expose_secret(),
                None,
                None,
                "settings",
            ));
        }
        loader.load().await
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("dispatch failure")]
    struct Outer(#[source] io::Error);

    #[test]
    fn a_description_names_the_causes_and_nothing_twice() {
        let inner = io::Error::other(io::Error::other("connection refused"));
        let text = describe(&Outer(inner));
        assert_eq!(text, "dispatch failure: connection refused");
    }
}
