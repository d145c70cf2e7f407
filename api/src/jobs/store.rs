//! (landing)
use super::Job;
use crate::auth::Actor;
use sea_orm::{ConnectionTrait, DbErr};
use uuid::Uuid;
pub async fn lookup(_: &impl ConnectionTrait, _: &Actor, _: Uuid) -> Result<Option<Job>, DbErr> {
    Ok(None)
}
