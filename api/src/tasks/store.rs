//! (landing)
use super::Task; use uuid::Uuid; use sea_orm::{ConnectionTrait, DbErr}; use crate::auth::Actor;
pub async fn lookup(_: &impl ConnectionTrait, _: &Actor, _: Uuid) -> Result<Option<Task>, DbErr> { Ok(None) }
pub async fn lookup_comment(_: &impl ConnectionTrait, _: &Actor, _: Uuid) -> Result<Option<entity::comment::Model>, DbErr> { Ok(None) }
