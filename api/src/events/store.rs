//! (landing)
use super::Event; use uuid::Uuid; use sea_orm::{ConnectionTrait, DbErr}; use crate::auth::Actor;
pub async fn lookup(_: &impl ConnectionTrait, _: &Actor, _: Uuid) -> Result<Option<Event>, DbErr> { Ok(None) }
