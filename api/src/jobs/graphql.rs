//! (landing)
use super::Job; use async_graphql::*;
pub struct JobObject(pub Job);
#[Object(name = "Job")] impl JobObject { pub async fn id(&self) -> ID { ID(String::new()) } }
#[derive(Default)] pub struct JobQuery;
#[Object] impl JobQuery { async fn jobs(&self) -> bool { true } }
#[derive(Default)] pub struct JobMutation;
#[Object] impl JobMutation { async fn jobs_m(&self) -> bool { true } }
