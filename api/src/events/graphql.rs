//! (landing)
use super::Event; use async_graphql::*;
pub struct EventObject(pub Event);
#[Object(name = "Event")] impl EventObject { pub async fn id(&self) -> ID { ID(String::new()) } }
#[derive(Default)] pub struct EventQuery;
#[Object] impl EventQuery { async fn events(&self) -> bool { true } }
use crate::{graphql::errors::Result, page::Args}; use async_graphql::connection::Connection;
pub async fn list_events_of_record(_: &Context<'_>, _: uuid::Uuid, _: &Args) -> Result<Connection<String, EventObject>> { Ok(Connection::new(false, false)) }
