//! Checkpoints and proofs on the wire: parse, call one service function, wrap.

use async_graphql::{Context, ID, Object, SimpleObject, connection::Connection};
use chrono::{DateTime, Utc};
use tlog::Hash;

use super::{Checkpoint, as_row, service};
use crate::{
    Error,
    graphql::{
        context::{app, caller},
        errors::Result,
        ids::parse,
        scalars::BigInt,
    },
    page::Args,
};

/// A signed state of the tree over all events.
pub struct CheckpointObject(Checkpoint);

/// A signed state of the Merkle tree over all events (RFC 6962). Whoever keeps `note` elsewhere can show later that
/// nothing that was in the tree was changed, removed or reordered: `muniment verify-log --since FILE`.
#[Object(name = "Checkpoint")]
impl CheckpointObject {
    /// How many events the tree holds.
    async fn tree_size(&self) -> BigInt {
        BigInt(self.0.size)
    }

    /// The tree's root, 64 hex digits.
    async fn root(&self) -> Option<String> {
        let read = tlog::Checkpoint::read(&self.0.note).ok()?;
        Some(hex::encode(read.root))
    }

    /// Size and root, signed by the instance: a C2SP `tlog-checkpoint` (a signed note with Ed25519).
    async fn note(&self) -> &str {
        &self.0.note
    }

    /// When it was signed.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }
}

/// That an event is in a signed tree (RFC 6962 §2.1.1).
#[derive(SimpleObject)]
pub struct InclusionProof {
    /// The event as the text that is hashed: canonical JSON (RFC 8785). Its leaf is the SHA-256 of a zero byte and it.
    entry: String,
    /// Its place in the tree: 0, 1, …
    leaf_index: BigInt,
    /// From the leaf to the root, each 64 hex digits.
    hashes: Vec<String>,
    /// The tree.
    checkpoint: CheckpointObject,
}

/// That a signed tree begins with an earlier one (RFC 6962 §2.1.2).
#[derive(SimpleObject)]
pub struct ConsistencyProof {
    /// Size of the earlier tree.
    from_size: BigInt,
    /// Size of the later tree.
    to_size: BigInt,
    /// Each 64 hex digits.
    hashes: Vec<String>,
}

fn size(number: BigInt, path: &str) -> std::result::Result<u64, Error> {
    u64::try_from(number.0).map_err(|_| Error::input(path, "a size is at least 0"))
}

fn hexes(hashes: &[Hash]) -> Vec<String> {
    hashes.iter().map(hex::encode).collect()
}

/// Queries about checkpoints.
#[derive(Default)]
pub struct CheckpointQuery;

#[Object]
impl CheckpointQuery {
    /// The signed states of the tree over all events, newest first. Events are put into the tree seconds after they
    /// happened.
    #[graphql(complexity = "crate::page::cost(first, last, child_complexity)")]
    async fn checkpoints(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Connection<String, CheckpointObject>> {
        let args = Args {
            first,
            after,
            last,
            before,
        };
        let page = service::list(app(ctx)?, caller(ctx)?, &args).await?;
        Ok(page.connection(CheckpointObject))
    }

    /// The public half of the key that signs checkpoints, as a C2SP `signed-note` verifier key.
    async fn checkpoint_key(&self, ctx: &Context<'_>) -> Result<String> {
        caller(ctx)?;
        Ok(app(ctx)?.checkpoint_key().verifier().to_string())
    }

    /// Proof that an event is in a signed tree; null while it is not, or where you may not see it.
    #[graphql(complexity = "100 + child_complexity")]
    async fn inclusion_proof(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The event.")] event_id: ID,
        #[graphql(desc = "Of which checkpoint; the newest unless said.")] tree_size: Option<BigInt>,
    ) -> Result<Option<InclusionProof>> {
        let event = parse(&event_id, "eventId")?;
        let tree_size = tree_size
            .map(|number| size(number, "treeSize"))
            .transpose()?;
        let found = service::inclusion(app(ctx)?, caller(ctx)?, event, tree_size).await?;
        Ok(found.map(|(shown, checkpoint)| InclusionProof {
            entry: shown.entry,
            leaf_index: BigInt(as_row(shown.leaf)),
            hashes: hexes(&shown.proof),
            checkpoint: CheckpointObject(checkpoint),
        }))
    }

    /// Proof that the tree of `toSize` events, which is that of a checkpoint, begins with the tree of `fromSize` events.
    #[graphql(complexity = "100 + child_complexity")]
    async fn consistency_proof(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Size of the earlier tree.")] from_size: BigInt,
        #[graphql(desc = "Size of the later tree, that of a checkpoint.")] to_size: BigInt,
    ) -> Result<ConsistencyProof> {
        let (from, to) = (size(from_size, "fromSize")?, size(to_size, "toSize")?);
        let hashes = service::consistency(app(ctx)?, caller(ctx)?, from, to).await?;
        Ok(ConsistencyProof {
            from_size: BigInt(as_row(from)),
            to_size: BigInt(as_row(to)),
            hashes: hexes(&hashes),
        })
    }
}
