//! Collections and transfers.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::typed::{
    CollectionByCode, FindTransfers, OpenTransfer, SubmitTransfer, TransferState, Viewer,
    collection_by_code, find_transfers, open_transfer, submit_transfer, transfer_state, viewer,
};
use super::{Client, ClientError};

/// How far a transfer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum TransferStatus {
    /// Takes files.
    Open,
    /// Handed in.
    Submitted,
    /// Taken over.
    Accepted,
    /// Sent back; takes files again.
    Returned,
    /// A word that this program does not know.
    #[serde(other)]
    Unknown,
}

/// A collection, as a transfer needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Collection {
    /// Its id.
    pub(crate) id: String,
    /// Its code.
    pub(crate) code: String,
}

/// A transfer among those of one source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FoundTransfer {
    /// Its id.
    pub(crate) id: String,
    /// Its name for people.
    pub(crate) reference: String,
    /// How far it is.
    pub(crate) status: TransferStatus,
    /// When it was opened.
    pub(crate) created_at: DateTime<Utc>,
}

/// How many versions of a transfer are where.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Totals {
    pub(crate) records: u64,
    pub(crate) versions: u64,
    pub(crate) bytes: u64,
    pub(crate) awaiting_upload: u64,
    pub(crate) checking: u64,
    pub(crate) accepted: u64,
    pub(crate) rejected: u64,
    pub(crate) quarantined: u64,
    pub(crate) needs_review: u64,
    pub(crate) abandoned: u64,
}

/// The transfers of one source that are looked through for one to go on with, at most.
const MOST_PAGES: usize = 20;

impl Client {
    /// Asks who the token belongs to: the server is there and takes it.
    pub(crate) async fn viewer(&self) -> Result<(), ClientError> {
        self.ask::<Viewer>(viewer::Variables).await.map(drop)
    }

    /// The collection of a code, if there is one that may be seen.
    pub(crate) async fn collection(&self, code: &str) -> Result<Option<Collection>, ClientError> {
        let code = code.to_owned();
        let answer = self
            .ask::<CollectionByCode>(collection_by_code::Variables { code })
            .await;
        match answer {
            Ok(answer) => Ok(answer.collection.map(|found| Collection {
                id: found.id,
                code: found.code,
            })),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The transfers that the caller opened for a source in a collection.
    pub(crate) async fn transfers_of(
        &self,
        collection: &str,
        source: &str,
    ) -> Result<Vec<FoundTransfer>, ClientError> {
        let mut found = Vec::new();
        let mut after = None;
        for _ in 0..MOST_PAGES {
            let variables = find_transfers::Variables {
                filter: find_transfers::TransferFilter {
                    collection_id: Some(collection.to_owned()),
                    status: None,
                    source: Some(source.to_owned()),
                    mine: Some(true),
                },
                after,
            };
            let page = self.ask::<FindTransfers>(variables).await?.transfers;
            found.extend(page.nodes.into_iter().map(|node| FoundTransfer {
                id: node.id,
                reference: node.reference,
                status: node.status,
                created_at: node.created_at,
            }));
            after = page.page_info.end_cursor;
            if !page.page_info.has_next_page || after.is_none() {
                break;
            }
        }
        Ok(found)
    }

    /// Opens a transfer. The same key gives the same transfer.
    pub(crate) async fn open_transfer(
        &self,
        collection: &str,
        title: &str,
        source: &str,
        key: String,
    ) -> Result<FoundTransfer, ClientError> {
        let input = open_transfer::OpenTransferInput {
            client_mutation_key: Some(key),
            collection: open_transfer::CollectionBy::Id(collection.to_owned()),
            title: title.to_owned(),
            source: Some(source.to_owned()),
        };
        let answer = self
            .ask::<OpenTransfer>(open_transfer::Variables { input })
            .await?;
        let opened = answer.open_transfer.transfer;
        Ok(FoundTransfer {
            id: opened.id,
            reference: opened.reference,
            status: opened.status,
            created_at: opened.created_at,
        })
    }

    /// Closes a transfer to new files.
    pub(crate) async fn submit_transfer(&self, id: &str) -> Result<(), ClientError> {
        let input = submit_transfer::SubmitTransferInput {
            id: id.to_owned(),
            expected_revision: None,
        };
        self.ask::<SubmitTransfer>(submit_transfer::Variables { input })
            .await
            .map(drop)
    }

    /// How far the versions of a transfer are.
    pub(crate) async fn totals(&self, id: &str) -> Result<Totals, ClientError> {
        let id = id.to_owned();
        let answer = self
            .ask::<TransferState>(transfer_state::Variables { id })
            .await?;
        let totals = answer
            .transfer
            .ok_or_else(|| ClientError::malformed("the transfer is gone"))?
            .totals;
        Ok(Totals {
            records: count(totals.records),
            versions: count(totals.versions),
            bytes: totals.bytes,
            awaiting_upload: count(totals.awaiting_upload),
            checking: count(totals.checking),
            accepted: count(totals.accepted),
            rejected: count(totals.rejected),
            quarantined: count(totals.quarantined),
            needs_review: count(totals.needs_review),
            abandoned: count(totals.abandoned),
        })
    }
}

/// A number that the contract says is never negative.
pub(super) fn count(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
