//! The door: API keys by their prefix, everything else to the provider or the embedded identity.

use std::sync::Arc;

use async_trait::async_trait;

use super::{PREFIX, service};
use crate::{
    App, Error,
    auth::{Actor, token::TokenVerifier},
};

/// Takes API keys beside the tokens of another verifier.
pub struct WithApiKeys {
    app: App,
    tokens: Arc<dyn TokenVerifier>,
}

impl WithApiKeys {
    /// `tokens` verifies what is no API key.
    pub fn new(app: App, tokens: Arc<dyn TokenVerifier>) -> Self {
        Self { app, tokens }
    }
}

#[async_trait]
impl TokenVerifier for WithApiKeys {
    async fn verify(&self, token: &str) -> Result<Actor, Error> {
        if token.starts_with(PREFIX) {
            service::verify(&self.app, token).await
        } else {
            self.tokens.verify(token).await
        }
    }

    async fn ready(&self) -> Result<(), Error> {
        self.tokens.ready().await
    }
}
