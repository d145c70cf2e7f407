//! (landing)
use super::Task;
use crate::auth::Actor;
use sea_orm::{ConnectionTrait, DbErr};
use uuid::Uuid;
pub async fn lookup(_: &impl ConnectionTrait, _: &Actor, _: Uuid) -> Result<Option<Task>, DbErr> {
    Ok(None)
}
pub async fn lookup_comment(
    _: &impl ConnectionTrait,
    _: &Actor,
    _: Uuid,
) -> Result<Option<entity::comment::Model>, DbErr> {
    Ok(None)
}
