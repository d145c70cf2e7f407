//! The schema: the nouns put together, and what they share on the wire.

pub mod context;
mod document;
pub mod errors;
pub mod http;
pub mod ids;
pub mod loaders;
mod node;
pub mod scalars;
mod socket;
mod subscriptions;
mod viewer;

use async_graphql::{MergedObject, SDLExportOptions, Schema};

use crate::{
    App, api_keys, checkpoints, checks, collections, events, exports, jobs, records, tasks,
    transfers, versions,
};

/// Everything that can be asked.
#[derive(MergedObject, Default)]
pub struct Query(
    viewer::ViewerQuery,
    node::NodeQuery,
    collections::graphql::CollectionQuery,
    transfers::graphql::TransferQuery,
    records::graphql::RecordQuery,
    versions::graphql::VersionQuery,
    tasks::graphql::TaskQuery,
    exports::graphql::ExportQuery,
    events::graphql::EventQuery,
    checkpoints::graphql::CheckpointQuery,
    jobs::graphql::JobQuery,
    api_keys::graphql::ApiKeyQuery,
);

/// Everything that can be done.
#[derive(MergedObject, Default)]
pub struct Mutation(
    collections::graphql::CollectionMutation,
    transfers::graphql::TransferMutation,
    records::graphql::RecordMutation,
    versions::graphql::VersionMutation,
    versions::graphql::UploadMutation,
    checks::graphql::CheckMutation,
    tasks::graphql::TaskMutation,
    exports::graphql::ExportMutation,
    jobs::graphql::JobMutation,
    api_keys::graphql::ApiKeyMutation,
);

/// Everything that can be watched.
pub type Subscription = subscriptions::Subscriptions;

/// The schema with its handles.
pub type ApiSchema = Schema<Query, Mutation, Subscription>;

/// How deep a query may be nested.
const DEPTH: usize = 15;
/// What a query may cost: each field is one, and a list as many times its fields as it may have items, and
/// fifty for its own statement ([`crate::page::cost`]). So no query causes more than a thousand statements.
const COMPLEXITY: usize = 50_000;

/// Builds the schema over an [`App`].
pub fn schema(app: App) -> ApiSchema {
    build().data(app).finish()
}

/// The schema as SDL, sorted: what stands in `schema.graphql`.
pub fn sdl() -> String {
    build().finish().sdl_with_options(
        SDLExportOptions::new()
            .sorted_fields()
            .sorted_arguments()
            .sorted_enum_items()
            .include_specified_by(),
    )
}

fn build() -> async_graphql::SchemaBuilder<Query, Mutation, Subscription> {
    Schema::build(
        Query::default(),
        Mutation::default(),
        subscriptions::Subscriptions,
    )
    .limit_depth(DEPTH)
    .limit_complexity(COMPLEXITY)
    .limit_recursive_depth(64)
    .limit_directives(20)
}
