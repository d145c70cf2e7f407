//! The provider's keys, fetched when they are needed and kept.
//!
//! Owns when the provider is asked. Does not own what a key is good for (`keys`) or how it is asked
//! (`runtime::openid`).
//!
//! Always: one request to the provider at a time, whoever waits for it, and it ends even if nobody waits any
//! longer; none within [`PAUSE`] of the last ([`FIRST_PAUSE`] while there are no keys at all), whatever tokens
//! come; keys that the provider has taken back are known no longer than [`FRESH`] where it answers, and
//! [`KEPT`] where it does not.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use jsonwebtoken::Algorithm;
use runtime::{
    clock::Clock,
    openid::{OpenId, OpenIdError},
    shutdown::Shutdown,
};
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::keys::{Document, Keys};
use crate::Error;

/// After this time keys are asked for again.
pub const FRESH: Duration = Duration::from_mins(5);
/// For so long they are taken while the provider does not answer.
pub const KEPT: Duration = Duration::from_hours(1);
/// The least time between two requests.
pub const PAUSE: Duration = Duration::from_secs(10);
/// The same while there are no keys.
pub const FIRST_PAUSE: Duration = Duration::from_secs(2);

/// How long a request waits for newer keys when there are usable ones.
const WAITED: Duration = Duration::from_secs(1);

#[derive(Clone, Default)]
struct Known {
    keys: Arc<Keys>,
    /// When they were fetched; `None`: never.
    since: Option<Duration>,
    /// When the provider was last asked.
    asked: Option<Duration>,
    /// Whether it did not answer then.
    failed: bool,
}

/// One provider.
pub(super) struct Provider {
    inner: Arc<Inner>,
    /// A client that goes away must not end a request that others wait for.
    tasks: Shutdown,
}

struct Inner {
    issuer: String,
    openid: OpenId,
    clock: Arc<dyn Clock>,
    known: RwLock<Known>,
    asking: Arc<Mutex<()>>,
}

impl Provider {
    pub(super) fn new(
        issuer: &str,
        plain: bool,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, OpenIdError> {
        Ok(Self {
            inner: Arc::new(Inner {
                issuer: issuer.to_owned(),
                openid: OpenId::new(plain)?,
                clock,
                known: RwLock::default(),
                asking: Arc::default(),
            }),
            tasks: Shutdown::new(),
        })
    }

    /// The keys, not too old; [`Error::Unavailable`] where there are none.
    pub(super) async fn keys(&self) -> Result<Arc<Keys>, Error> {
        let known = self.inner.known();
        match self.inner.age(&known) {
            Some(age) if age < FRESH => Ok(known.keys),
            // Others go on with the known keys meanwhile, and so does who asks, when it takes long.
            Some(age) if age < KEPT && self.inner.asking.try_lock().is_err() => Ok(known.keys),
            Some(age) if age < KEPT => {
                drop(tokio::time::timeout(WAITED, self.ask()).await);
                self.inner.usable(self.inner.known())
            }
            _ => self.inner.usable(self.ask().await),
        }
    }

    /// The keys for a token that names one; asks again where none of the known fits.
    pub(super) async fn keys_for(
        &self,
        kid: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<Arc<Keys>, Error> {
        let fits = |keys: &Keys| keys.fitting(kid, algorithm).next().is_some();
        let keys = self.keys().await?;
        if kid.is_none() || fits(&keys) {
            return Ok(keys);
        }
        let known = self.ask().await;
        let failed = known.failed;
        let keys = self.inner.usable(known)?;
        if failed && !fits(&keys) {
            return Err(self.inner.unavailable());
        }
        Ok(keys)
    }

    /// Asks the provider, unless that was done too short a time ago or is being done. What is known
    /// afterwards is the answer, also when the provider did not answer.
    async fn ask(&self) -> Known {
        if let Some(alone) = self.inner.claim() {
            let inner = Arc::clone(&self.inner);
            let asking = self
                .tasks
                .spawn("keys of the identity provider", async move {
                    let _alone = alone;
                    inner.refresh().await;
                });
            drop(asking.await);
        } else {
            drop(self.inner.asking.lock().await);
        }
        self.inner.known()
    }
}

impl Inner {
    fn known(&self) -> Known {
        self.known
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn age(&self, known: &Known) -> Option<Duration> {
        let since = known.since?;
        Some(self.clock.monotonic().saturating_sub(since))
    }

    fn usable(&self, known: Known) -> Result<Arc<Keys>, Error> {
        match self.age(&known) {
            Some(age) if age < KEPT => Ok(known.keys),
            _ => Err(self.unavailable()),
        }
    }

    fn unavailable(&self) -> Error {
        Error::Unavailable(format!("the keys of {} are not known", self.issuer))
    }

    /// The right to ask now: for one, and not too often.
    fn claim(&self) -> Option<OwnedMutexGuard<()>> {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let pause = if known.since.is_some() {
            PAUSE
        } else {
            FIRST_PAUSE
        };
        let now = self.clock.monotonic();
        if known
            .asked
            .is_some_and(|asked| now.saturating_sub(asked) < pause)
        {
            return None;
        }
        let alone = Arc::clone(&self.asking).try_lock_owned().ok()?;
        known.asked = Some(now);
        Some(alone)
    }

    async fn refresh(&self) {
        let fetched = self.fetch().await;
        let now = self.clock.monotonic();
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        match fetched {
            Ok(keys) => {
                known.keys = Arc::new(keys);
                known.since = Some(now);
                known.failed = false;
            }
            Err(error) => {
                known.failed = true;
                tracing::warn!(issuer = self.issuer, %error, "the keys of the provider were not fetched");
            }
        }
    }

    async fn fetch(&self) -> Result<Keys, OpenIdError> {
        let provider = self.openid.discover(&self.issuer).await?;
        let address = provider.jwks_uri.ok_or_else(|| {
            OpenIdError::Malformed(self.issuer.clone(), "it has no `jwks_uri`".to_owned())
        })?;
        let document: Document = self.openid.json(&address).await?;
        let keys = Keys::read(document);
        if keys.is_empty() {
            let what = "there is no key for signatures in it".to_owned();
            return Err(OpenIdError::Malformed(address, what));
        }
        Ok(keys)
    }
}
