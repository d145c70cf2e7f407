//! Packages.

use serde::{Deserialize, Serialize};

use super::transfers::count;
use super::typed::{
    CancelExport, ExportState, RequestExport, cancel_export, export_state, request_export,
};
use super::{Client, ClientError};

/// How far a package is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum ExportStatus {
    /// Not begun.
    Queued,
    /// Being written.
    Running,
    /// There to be downloaded.
    Ready,
    /// Could not be made.
    Failed,
    /// Called off.
    Cancelled,
    /// Too old: deleted.
    Expired,
    /// A word that this program does not know.
    #[serde(other)]
    Unknown,
}

/// What goes into a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Selection {
    /// What was accepted of a transfer.
    Transfer(String),
    /// What was accepted of a collection, by its id.
    Collection(String),
    /// What was accepted of some records.
    Records(Vec<String>),
}

/// A package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Export {
    pub(crate) id: String,
    pub(crate) reference: String,
    pub(crate) status: ExportStatus,
    /// What it waits for, if it does.
    pub(crate) why_waiting: Option<String>,
    pub(crate) files: u64,
    pub(crate) bytes: u64,
    pub(crate) bytes_done: u64,
    /// The package's own length, once it is ready.
    pub(crate) size: Option<u64>,
    /// The package's own SHA-256, once it is ready.
    pub(crate) sha256: Option<String>,
    /// Why it could not be made.
    pub(crate) error: Option<String>,
    /// Where it can be downloaded, once it is ready.
    pub(crate) url: Option<String>,
}

macro_rules! export_from {
    ($($module:ident),*) => {$(
        impl From<$module::State> for Export {
            fn from(state: $module::State) -> Self {
                Self {
                    id: state.id,
                    reference: state.reference,
                    status: state.status,
                    why_waiting: state.why_waiting,
                    files: count(state.files),
                    bytes: state.bytes,
                    bytes_done: state.bytes_done,
                    size: state.size,
                    sha256: state.sha256,
                    error: state.error,
                    url: state.download.map(|download| download.url),
                }
            }
        }
    )*};
}

export_from!(request_export, export_state);

impl Client {
    /// Asks for a package. The same key gives the same package.
    pub(crate) async fn request_export(
        &self,
        selection: &Selection,
        key: String,
    ) -> Result<Export, ClientError> {
        use request_export::ExportSelection;
        let selection = match selection.clone() {
            Selection::Transfer(id) => ExportSelection::TransferId(id),
            Selection::Collection(id) => ExportSelection::CollectionId(id),
            Selection::Records(ids) => ExportSelection::RecordIds(ids),
        };
        let input = request_export::RequestExportInput {
            client_mutation_key: Some(key),
            selection,
            format: None,
        };
        let answer = self
            .ask::<RequestExport>(request_export::Variables { input })
            .await?;
        Ok(answer.request_export.export.into())
    }

    /// How far a package is.
    pub(crate) async fn export(&self, id: &str) -> Result<Export, ClientError> {
        let id = id.to_owned();
        let answer = self
            .ask::<ExportState>(export_state::Variables { id })
            .await?;
        match answer.node {
            Some(export_state::ExportStateNode::Export(state)) => Ok(state.into()),
            _ => Err(ClientError::malformed("the export is gone")),
        }
    }

    /// Calls a package off.
    pub(crate) async fn cancel_export(&self, id: &str) -> Result<(), ClientError> {
        let input = cancel_export::CancelExportInput { id: id.to_owned() };
        self.ask::<CancelExport>(cancel_export::Variables { input })
            .await
            .map(drop)
    }
}
