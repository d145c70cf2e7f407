//! Against a provider in this process, whose keys and manners a test decides.

mod attacks;
mod fetching;
mod provider;
mod reading;
mod signer;

use std::sync::Arc;

use runtime::clock::{Clock as _, ManualClock};
use serde_json::{Value, json};

use self::{provider::FakeProvider, signer::Signer};
use super::{OidcSettings, OpenIdConnect};
use crate::{
    Error,
    auth::{Actor, token::TokenVerifier as _},
};

/// A provider with one key of each kind, and who verifies its tokens.
struct World {
    clock: Arc<ManualClock>,
    provider: FakeProvider,
    verifier: Arc<OpenIdConnect>,
    rsa: Signer,
    ec: Signer,
    ed: Signer,
}

impl World {
    async fn new() -> Self {
        Self::with(|_| ()).await
    }

    async fn with(change: impl FnOnce(&mut OidcSettings)) -> Self {
        let (rsa, ec, ed) = (Signer::rsa(), Signer::ec(), Signer::ed());
        let provider = FakeProvider::start().await;
        provider.publish([rsa.jwk("rsa"), ec.jwk("ec"), ed.jwk("ed")]);
        let clock = Arc::<ManualClock>::default();
        let mut settings = OidcSettings::new(provider.issuer(), "muniment");
        change(&mut settings);
        let verifier = OpenIdConnect::new(settings, clock.clone()).unwrap();
        Self {
            clock,
            provider,
            verifier: Arc::new(verifier),
            rsa,
            ec,
            ed,
        }
    }

    /// The claims of a good token for an hour, some of them others; null takes one away.
    fn claims(&self, change: Value) -> Value {
        let now = self.clock.now().timestamp();
        let mut claims = json!({
            "iss": self.provider.issuer(), "aud": "muniment", "sub": "ann", "iat": now, "exp": now + 3600,
            "roles": ["reader"], "bodies": ["OWN"],
        });
        signer::change(&mut claims, change);
        claims
    }

    /// A token of the EC key, some of its claims others.
    fn token(&self, change: Value) -> String {
        let header = json!({"alg": "ES256", "kid": "ec"});
        self.ec.token(&header, &self.claims(change))
    }

    async fn verify(&self, token: &str) -> Result<Actor, Error> {
        self.verifier.verify(token).await
    }

    /// Why a token is refused; panics when it is not.
    async fn refusal(&self, token: &str) -> String {
        match self.verify(token).await {
            Err(Error::Unauthenticated(message)) => {
                assert!(token.len() < 20 || !message.contains(token));
                message
            }
            other => panic!("it should have been refused: {other:?}"),
        }
    }

    async fn is_taken(&self, token: &str) -> bool {
        self.verify(token).await.is_ok()
    }

    async fn is_unavailable(&self, token: &str) -> bool {
        matches!(self.verify(token).await, Err(Error::Unavailable(_)))
    }
}
