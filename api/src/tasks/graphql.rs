//! (landing)
use super::Task; use async_graphql::*;
pub struct TaskObject(pub Task);
#[Object(name = "Task")] impl TaskObject { pub async fn id(&self) -> ID { ID(String::new()) } }
#[derive(Default)] pub struct TaskQuery;
#[Object] impl TaskQuery { async fn tasks(&self) -> bool { true } }
#[derive(Default)] pub struct TaskMutation;
#[Object] impl TaskMutation { async fn tasks_m(&self) -> bool { true } }
use crate::{graphql::errors::Result, page::Args}; use async_graphql::connection::Connection;
#[derive(InputObject, Default)] pub struct TaskFilter { x: Option<bool> }
#[derive(Default)] pub struct Filter { pub record: Option<uuid::Uuid> }
impl Filter { pub fn matches(&self, _: &Task) -> bool { true } }
impl TaskFilter { pub fn parse(self, _: &str) -> std::result::Result<Filter, crate::Error> { Ok(Filter::default()) } }
pub struct CommentObject(pub entity::comment::Model);
#[Object(name = "Comment")] impl CommentObject { pub async fn id(&self) -> ID { ID(String::new()) } }
pub async fn list_tasks(_: &Context<'_>, _: Filter, _: Option<bool>, _: &Args) -> Result<Connection<String, TaskObject>> { Ok(Connection::new(false, false)) }
