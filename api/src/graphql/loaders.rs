//! Loaders: one set a request, holding the actor, so that a list costs one statement a field and not one a
//! row (invariant 7), and shows nothing that the actor may not see (invariant 8). They keep nothing, so that a
//! long subscription never shows what was.

use std::{collections::HashMap, sync::Arc};

use async_graphql::dataloader::{DataLoader, Loader};
use uuid::Uuid;

use crate::{
    App, Error,
    auth::Actor,
    checkpoints,
    checks::{self, Check},
    collections::{self, Collection, PolicyRow},
    exports::{self, Export},
    fixity,
    records::{self, Record},
    transfers::{self, Totals, Transfer},
    versions::{self, Version},
};

macro_rules! loaders {
    ($($(#[$doc:meta])* $name:ident, $batch:ident: $type:ty = |$app:ident, $actor:ident, $ids:ident| $load:expr;)*) => {
        $(
            struct $batch(App, Arc<Actor>);

            impl Loader<Uuid> for $batch {
                type Value = $type;
                type Error = Error;

                async fn load(&self, keys: &[Uuid]) -> Result<HashMap<Uuid, $type>, Error> {
                    let ($app, $actor, $ids) = (&self.0, self.1.as_ref(), keys);
                    let _ = $actor;
                    $load.await.map_err(Error::from)
                }
            }
        )*

        /// The loaders of one request.
        pub struct Loaders {
            $($name: DataLoader<$batch>,)*
        }

        impl Loaders {
            /// For one request of one actor.
            pub fn new(app: &App, actor: &Actor) -> Self {
                let actor = Arc::new(actor.clone());
                Self {
                    $($name: loader($batch(app.clone(), Arc::clone(&actor))),)*
                }
            }

            $(
                $(#[$doc])*
                pub async fn $name(&self, id: Uuid) -> Result<Option<$type>, Error> {
                    self.$name.load_one(id).await
                }
            )*
        }
    };
}

#[expect(
    clippy::disallowed_methods,
    reason = "one statement, which ends by itself and nobody waits for after its request"
)]
fn loader<B: Loader<Uuid>>(batch: B) -> DataLoader<B> {
    DataLoader::new(batch, tokio::spawn)
}

loaders! {
    /// A collection that the actor may see.
    collection, CollectionBatch: Collection =
        |app, actor, ids| collections::store::lookup_many(app.database(), actor, ids);
    /// The policy in force of a collection.
    policy, PolicyBatch: PolicyRow =
        |app, actor, ids| collections::store::current_policies(app.database(), ids);
    /// A transfer that the actor may see.
    transfer, TransferBatch: Transfer =
        |app, actor, ids| transfers::store::lookup_many(app.database(), actor, ids);
    /// The totals of a transfer.
    totals, TotalsBatch: Totals =
        |app, actor, ids| transfers::store::totals(app.database(), ids);
    /// A record that the actor may see.
    record, RecordBatch: Record =
        |app, actor, ids| records::store::lookup_many(app.database(), actor, ids);
    /// A version that the actor may see.
    version, VersionBatch: Version =
        |app, actor, ids| versions::store::lookup_many(app.database(), actor, ids);
    /// An export that the actor may see.
    export, ExportBatch: Export =
        |app, actor, ids| exports::store::lookup_many(app.database(), actor, ids);
    /// What a run of fixity checks that the actor was shown waits for.
    run_waits, RunWaitsBatch: String =
        |app, actor, ids| fixity::service::why_waiting_many(app, ids);
    /// The place in the tree of an event that the actor was shown.
    leaf, LeafBatch: u64 =
        |app, actor, ids| checkpoints::store::places(app.database(), ids);
    /// The current checks of a version.
    check_list, ChecksBatch: Vec<Check> =
        |app, actor, ids| checks::store::current_many(app.database(), ids);
    /// Why a version that the actor was shown waits.
    why_waiting, WhyWaitingBatch: String =
        |app, actor, ids| checks::service::why_waiting_many(app, ids);
}

impl Loaders {
    /// The current checks of a version, none before its upload.
    pub async fn checks(&self, version: Uuid) -> Result<Vec<Check>, Error> {
        Ok(self.check_list(version).await?.unwrap_or_default())
    }
}
