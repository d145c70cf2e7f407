//! Having what is kept verified.

use serde::{Deserialize, Serialize};

use super::typed::{
    FixityFindings, FixityRunState, VerifyNow, fixity_findings, fixity_run_state, verify_now,
};
use super::{Client, ClientError};

/// How many findings are asked for at once.
const PAGE: i64 = 100;

/// What is to be verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FixitySelection {
    /// A record, by its id.
    Record(String),
    /// A transfer, by its id.
    Transfer(String),
    /// A collection, by its id.
    Collection(String),
    /// A package, by its export's id.
    Export(String),
    /// All that is kept.
    Everything,
}

/// How far a run is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FixityRun {
    pub(crate) id: String,
    pub(crate) asked: u64,
    pub(crate) bytes: u64,
    pub(crate) verified: u64,
    pub(crate) mismatched: u64,
    pub(crate) missing: u64,
    pub(crate) unreadable: u64,
    pub(crate) outstanding: u64,
    /// What it waits for, if it does.
    pub(crate) why_waiting: Option<String>,
    /// Whether all of it has ended.
    pub(crate) finished: bool,
}

/// What came of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum FixityOutcome {
    /// It is what was accepted.
    Match,
    /// It is something else.
    Mismatch,
    /// It is not there.
    Missing,
    /// It could not be read.
    Unreadable,
    /// Nobody keeps it any more.
    NotKept,
    /// A word that this program does not know.
    #[serde(other)]
    Unknown,
}

/// Something that was not found to be what it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) outcome: Option<FixityOutcome>,
    /// What is wrong, or why it could not be read.
    pub(crate) detail: String,
    /// Of the record, or of the package.
    pub(crate) reference: String,
    /// Where the record stood in the depositor's folder; of a package, nothing.
    pub(crate) path: Option<String>,
    /// Which version; of a package, nothing.
    pub(crate) number: Option<i64>,
    /// Of the version or export.
    pub(crate) id: String,
}

macro_rules! run_from {
    ($($module:ident),*) => {$(
        impl From<$module::RunState> for FixityRun {
            fn from(state: $module::RunState) -> Self {
                Self {
                    id: state.id,
                    asked: state.asked,
                    bytes: state.bytes,
                    verified: state.verified,
                    mismatched: state.mismatched,
                    missing: state.missing,
                    unreadable: state.unreadable,
                    outstanding: state.outstanding,
                    why_waiting: state.why_waiting,
                    finished: state.finished_at.is_some(),
                }
            }
        }
    )*};
}

run_from!(verify_now, fixity_run_state);

impl Client {
    /// Asks for things to be verified. The same key gives the same run.
    pub(crate) async fn verify_now(
        &self,
        selection: &FixitySelection,
        key: String,
    ) -> Result<FixityRun, ClientError> {
        use verify_now::FixitySelection as Typed;
        let selection = match selection.clone() {
            FixitySelection::Record(id) => Typed::RecordId(id),
            FixitySelection::Transfer(id) => Typed::TransferId(id),
            FixitySelection::Collection(id) => Typed::CollectionId(id),
            FixitySelection::Export(id) => Typed::ExportId(id),
            FixitySelection::Everything => Typed::Everything(true),
        };
        let input = verify_now::VerifyNowInput {
            client_mutation_key: Some(key),
            selection,
        };
        let answer = self
            .ask::<VerifyNow>(verify_now::Variables { input })
            .await?;
        Ok(answer.verify_now.run.into())
    }

    /// How far a run is.
    pub(crate) async fn fixity_run(&self, id: &str) -> Result<FixityRun, ClientError> {
        let id = id.to_owned();
        let answer = self
            .ask::<FixityRunState>(fixity_run_state::Variables { id })
            .await?;
        match answer.node {
            Some(fixity_run_state::FixityRunStateNode::FixityRun(state)) => Ok(state.into()),
            _ => Err(ClientError::malformed("there is no such run")),
        }
    }

    /// What a run has found wrong or could not read, newest first; no more than `most`.
    pub(crate) async fn fixity_findings(
        &self,
        run: &str,
        most: usize,
    ) -> Result<Vec<Finding>, ClientError> {
        use fixity_findings::FixityFindingsNode as Node;
        let mut found = Vec::new();
        let mut after = None;
        while found.len() < most {
            let variables = fixity_findings::Variables {
                id: run.to_owned(),
                first: PAGE,
                after,
            };
            let answer = self.ask::<FixityFindings>(variables).await?;
            let Some(Node::FixityRun(run)) = answer.node else {
                return Err(ClientError::malformed("there is no such run"));
            };
            found.extend(run.checks.nodes.into_iter().map(Finding::from));
            after = run.checks.page_info.end_cursor;
            if !run.checks.page_info.has_next_page || after.is_none() {
                break;
            }
        }
        found.truncate(most);
        Ok(found)
    }
}

type Node = fixity_findings::FixityFindingsNodeOnFixityRunChecksNodes;

impl From<Node> for Finding {
    fn from(node: Node) -> Self {
        let mut found = Self {
            outcome: node.outcome,
            detail: node.detail.unwrap_or_default(),
            reference: String::new(),
            path: None,
            number: None,
            id: String::new(),
        };
        if let Some(version) = node.version {
            found.reference = version.record.reference;
            found.path = Some(version.record.path);
            found.number = Some(version.number);
            found.id = version.id;
        } else if let Some(export) = node.export {
            found.reference = export.reference;
            found.id = export.id;
        }
        found
    }
}
