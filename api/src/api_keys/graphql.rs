//! API keys on the wire: parse, call one service function, wrap.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject, connection::Connection};
use chrono::{DateTime, Utc};
use contract::ApiKeyId;

use super::{ApiKey, bodies, roles, service, standing};
use crate::{
    auth::Role,
    graphql::{
        context::{app, caller},
        errors::Result,
        ids::{id, parse},
    },
    page::Args,
};

/// Where an API key stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, async_graphql::Enum)]
#[graphql(name = "ApiKeyStatus", remote = "super::Standing")]
pub enum ApiKeyStatus {
    /// It is taken.
    Active,
    /// Its time is over.
    Expired,
    /// Somebody ended it.
    Revoked,
}

/// A way in for a service of somebody else's.
#[derive(Clone)]
pub struct ApiKeyObject(pub ApiKey);

/// A way in for a service of somebody else's. Its secret is not here: it was shown once, when it was made.
#[Object(name = "ApiKey")]
impl ApiKeyObject {
    /// `apikey_…`: also the subject that it acts under, in events and as a depositor.
    pub async fn id(&self) -> ID {
        id(ApiKeyId(self.0.id))
    }

    /// What it is for.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// What it is.
    async fn roles(&self) -> Vec<Role> {
        roles(&self.0)
    }

    /// Codes of the bodies that it belongs to.
    async fn bodies(&self) -> Vec<String> {
        bodies(&self.0)
    }

    /// Where it stands.
    async fn status(&self, ctx: &Context<'_>) -> Result<ApiKeyStatus> {
        Ok(standing(&self.0, app(ctx)?.clock().now()).into())
    }

    /// Subject of who made it.
    async fn created_by(&self) -> &str {
        &self.0.created_by
    }

    /// When.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }

    /// Until when it is taken.
    async fn expires_at(&self) -> DateTime<Utc> {
        self.0.expires_at
    }

    /// When it was last shown, to the minute.
    async fn last_used_at(&self) -> Option<DateTime<Utc>> {
        self.0.last_used_at
    }

    /// When it was revoked.
    async fn revoked_at(&self) -> Option<DateTime<Utc>> {
        self.0.revoked_at
    }

    /// Subject of who revoked it.
    async fn revoked_by(&self) -> Option<&str> {
        self.0.revoked_by.as_deref()
    }
}

/// A new API key.
#[derive(InputObject)]
pub struct CreateApiKeyInput {
    /// The same key replays the first answer for 30 days, without the token.
    client_mutation_key: Option<String>,
    /// What it is for: 1 to 200 characters.
    name: String,
    /// What it is: at least one role.
    roles: Vec<Role>,
    /// Codes of the bodies that it belongs to, up to 100.
    #[graphql(default)]
    bodies: Vec<String>,
    /// Until when it is taken: at most a year from now.
    expires_at: DateTime<Utc>,
}

/// An API key's end.
#[derive(InputObject)]
pub struct RevokeApiKeyInput {
    /// Which.
    id: ID,
}

/// The API key that was made.
#[derive(SimpleObject)]
pub struct CreateApiKeyPayload {
    /// The API key.
    api_key: ApiKeyObject,
    /// What its bearer sends as `Authorization: Bearer …`. It is shown this once and cannot be read again: null
    /// when a `clientMutationKey` replays an earlier answer. Whoever lost it revokes the key and makes another.
    token: Option<String>,
}

/// The API key as it is now.
#[derive(SimpleObject)]
pub struct RevokeApiKeyPayload {
    /// The API key.
    api_key: ApiKeyObject,
}

/// Queries about API keys.
#[derive(Default)]
pub struct ApiKeyQuery;

#[Object]
impl ApiKeyQuery {
    /// The API keys, newest first: for admins.
    #[graphql(complexity = "crate::page::cost(first, last, child_complexity)")]
    async fn api_keys(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Connection<String, ApiKeyObject>> {
        let args = Args {
            first,
            after,
            last,
            before,
        };
        let page = service::list(app(ctx)?, caller(ctx)?, &args).await?;
        Ok(page.connection(ApiKeyObject))
    }
}

/// Mutations of API keys.
#[derive(Default)]
pub struct ApiKeyMutation;

#[Object]
impl ApiKeyMutation {
    /// Makes an API key, for admins with a token of their own: a key makes no other key.
    async fn create_api_key(
        &self,
        ctx: &Context<'_>,
        input: CreateApiKeyInput,
    ) -> Result<CreateApiKeyPayload> {
        let new = service::New {
            name: input.name,
            roles: input.roles,
            bodies: input.bodies,
            expires_at: input.expires_at,
        };
        let key = input.client_mutation_key;
        let (row, token) = service::create(app(ctx)?, caller(ctx)?, key.as_deref(), new).await?;
        Ok(CreateApiKeyPayload {
            api_key: ApiKeyObject(row),
            token,
        })
    }

    /// Ends an API key at once, for admins. It stays in the list.
    async fn revoke_api_key(
        &self,
        ctx: &Context<'_>,
        input: RevokeApiKeyInput,
    ) -> Result<RevokeApiKeyPayload> {
        let id = parse(&input.id, "input.id")?;
        let row = service::revoke(app(ctx)?, caller(ctx)?, id).await?;
        Ok(RevokeApiKeyPayload {
            api_key: ApiKeyObject(row),
        })
    }
}
