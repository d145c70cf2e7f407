//! (landing)
use super::Check; use async_graphql::*; use crate::{graphql::errors::Result, page::Args, versions::Version}; use async_graphql::connection::Connection;
pub struct CheckObject(Check, i64);
impl CheckObject { pub fn new(c: Check, s: i64) -> Self { Self(c, s) } }
#[Object(name = "Check")] impl CheckObject { pub async fn id(&self) -> ID { ID(String::new()) } }
#[derive(Default)] pub struct CheckMutation;
#[Object] impl CheckMutation { async fn rerun_checks(&self) -> bool { true } }
pub async fn list_history(_: &Context<'_>, _: &Version, _: &Args) -> Result<Connection<String, CheckObject>> { Ok(Connection::new(false, false)) }
