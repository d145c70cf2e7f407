//! (landing)
use super::Export; use async_graphql::*;
pub struct ExportObject(pub Export);
#[Object(name = "Export")] impl ExportObject { pub async fn id(&self) -> ID { ID(String::new()) } }
#[derive(Default)] pub struct ExportQuery;
#[Object] impl ExportQuery { async fn exports(&self) -> bool { true } }
#[derive(Default)] pub struct ExportMutation;
#[Object] impl ExportMutation { async fn exports_m(&self) -> bool { true } }
