//! Who is looking.

use async_graphql::{Context, Object, SimpleObject};
use chrono::{DateTime, Utc};

use super::{context::caller, errors::Result};
use crate::auth::Role;

/// Who you are, as your token has it.
#[derive(SimpleObject)]
pub(super) struct Viewer {
    /// Unique in the installation.
    subject: String,
    /// For people.
    name: Option<String>,
    /// What you are.
    roles: Vec<Role>,
    /// Codes of the bodies that you belong to.
    bodies: Vec<String>,
    /// When your token ends.
    expires_at: DateTime<Utc>,
}

/// Queries about the viewer.
#[derive(Default)]
pub(super) struct ViewerQuery;

#[Object]
impl ViewerQuery {
    /// Who you are, as your token has it.
    async fn viewer(&self, ctx: &Context<'_>) -> Result<Viewer> {
        let actor = &caller(ctx)?.actor;
        Ok(Viewer {
            subject: actor.subject.clone(),
            name: actor.name.clone(),
            roles: actor.roles.clone(),
            bodies: actor.bodies.clone(),
            expires_at: actor.expires_at,
        })
    }
}
