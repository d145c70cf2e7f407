//! (landing)
use super::Export; use uuid::Uuid; use sea_orm::{ConnectionTrait, DbErr}; use crate::auth::Actor;
pub async fn lookup(_: &impl ConnectionTrait, _: &Actor, _: Uuid) -> Result<Option<Export>, DbErr> { Ok(None) }
