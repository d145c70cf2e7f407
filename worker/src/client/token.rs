//! Where the worker's token comes from.

use async_trait::async_trait;
use secrecy::SecretString;

use super::ApiError;

/// Gives the token that requests carry.
#[async_trait]
pub trait TokenSource: Send + Sync + 'static {
    /// A token that is valid now. It is asked for with every request, so it should be kept.
    async fn token(&self) -> Result<SecretString, ApiError>;

    /// The API did not take this token: give another next time.
    fn refused(&self, _token: &SecretString) {}
}
