//! The schema: the nouns put together, and what they share on the wire.

pub mod context;
mod document;
mod endpoint;
pub mod errors;
pub mod http;
pub mod ids;
pub mod limits;
pub mod loaders;
mod measure;
mod negotiation;
mod node;
mod parameters;
pub mod scalars;
pub mod settings;
mod socket;
#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may")]
mod statements;
mod subscriptions;
mod timing;
pub mod trusted;
mod viewer;
mod watchers;

use async_graphql::{MergedObject, SDLExportOptions, Schema};

pub use endpoint::Endpoint;
pub use settings::Settings;

use crate::{
    App, api_keys, checkpoints, checks, collections, events, exports, fixity, jobs, records, tasks,
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
    fixity::graphql::FixityQuery,
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
    fixity::graphql::FixityMutation,
    jobs::graphql::JobMutation,
    api_keys::graphql::ApiKeyMutation,
);

/// Everything that can be watched.
pub type Subscription = subscriptions::Subscriptions;

/// The schema with its handles.
pub type ApiSchema = Schema<Query, Mutation, Subscription>;

/// Builds the schema over an [`App`]. `suggestions`: whether somebody who misspells a field is told of others.
fn schema(app: App, settings: &Settings, suggestions: bool) -> ApiSchema {
    let mut schema = build()
        .extension(measure::Measuring(std::sync::Arc::clone(&settings.limits)))
        .data(app);
    if !suggestions {
        schema = schema.disable_suggestions();
    }
    schema.finish()
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
    // What is deeper does not come this far (`limits`).
    .limit_recursive_depth(100)
}
