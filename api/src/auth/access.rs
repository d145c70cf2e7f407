//! Who may do what: one pure function over (actor, action, resource).
//!
//! Always: somebody who may not see a thing is told that it is not there.

use super::{Actor, Credential, Role};

/// Something that can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// Collections and their policies.
    ReadCollection,
    /// A new collection.
    CreateCollection,
    /// Title and description of a collection.
    UpdateCollection,
    /// A new revision of a policy.
    SetPolicy,
    /// Transfers.
    ReadTransfer,
    /// A new transfer, in a collection.
    OpenTransfer,
    /// Closing a transfer to new files.
    SubmitTransfer,
    /// Taking a transfer over.
    AcceptTransfer,
    /// Sending a transfer back.
    ReturnTransfer,
    /// Records and versions.
    ReadRecord,
    /// New records in a transfer.
    AddRecords,
    /// Title, description and metadata of a record.
    UpdateRecord,
    /// A new version of a record.
    AddVersion,
    /// Upload tickets, and saying that an upload is complete.
    Upload,
    /// An old version becomes the newest.
    RestoreVersion,
    /// The bytes of an accepted version.
    Download,
    /// Checks once more.
    RerunChecks,
    /// Waive or reject, over what the checks said.
    DecideVersion,
    /// Having what is kept verified now, and what came of it.
    VerifyFixity,
    /// Tasks and their comments.
    ReadTask,
    /// A new task on a record.
    AddTask,
    /// Anything about a task, comments included.
    UpdateTask,
    /// Exports.
    ReadExport,
    /// A new export.
    RequestExport,
    /// Stopping an export.
    CancelExport,
    /// Events.
    ReadEvents,
    /// Signed states of the log of events.
    ReadCheckpoints,
    /// The jobs, as operators see them.
    ReadJobs,
    /// Taking and reporting jobs.
    Work,
    /// API keys.
    ReadApiKeys,
    /// A new API key.
    CreateApiKey,
    /// Ending an API key.
    RevokeApiKey,
}

impl Action {
    /// All actions.
    pub const ALL: [Self; 32] = [
        Self::ReadCollection,
        Self::CreateCollection,
        Self::UpdateCollection,
        Self::SetPolicy,
        Self::ReadTransfer,
        Self::OpenTransfer,
        Self::SubmitTransfer,
        Self::AcceptTransfer,
        Self::ReturnTransfer,
        Self::ReadRecord,
        Self::AddRecords,
        Self::UpdateRecord,
        Self::AddVersion,
        Self::Upload,
        Self::RestoreVersion,
        Self::Download,
        Self::RerunChecks,
        Self::DecideVersion,
        Self::VerifyFixity,
        Self::ReadTask,
        Self::AddTask,
        Self::UpdateTask,
        Self::ReadExport,
        Self::RequestExport,
        Self::CancelExport,
        Self::ReadEvents,
        Self::ReadCheckpoints,
        Self::ReadJobs,
        Self::Work,
        Self::ReadApiKeys,
        Self::CreateApiKey,
        Self::RevokeApiKey,
    ];

    /// What it is, for an error message.
    pub fn describe(self) -> &'static str {
        match self {
            Self::ReadCollection => "read collections",
            Self::CreateCollection => "create a collection",
            Self::UpdateCollection => "change a collection",
            Self::SetPolicy => "set a policy",
            Self::ReadTransfer => "read transfers",
            Self::OpenTransfer => "open a transfer in this collection",
            Self::SubmitTransfer => "submit this transfer",
            Self::AcceptTransfer => {
                "accept this transfer (an archivist may, but not the depositor)"
            }
            Self::ReturnTransfer => {
                "return this transfer (an archivist may, but not the depositor)"
            }
            Self::ReadRecord => "read records",
            Self::AddRecords => "add records",
            Self::UpdateRecord => "change this record",
            Self::AddVersion => "add a version",
            Self::Upload => "upload for this version (its depositor may)",
            Self::RestoreVersion => "restore a version",
            Self::Download => "download",
            Self::RerunChecks => "run checks again (an archivist may)",
            Self::DecideVersion => {
                "decide about a version (an archivist may, but not the depositor)"
            }
            Self::VerifyFixity => "have what is kept verified (an admin or archivist may)",
            Self::ReadTask => "read tasks",
            Self::AddTask => "add a task",
            Self::UpdateTask => "change this task",
            Self::ReadExport => "read exports",
            Self::RequestExport => "request this export",
            Self::CancelExport => "cancel this export",
            Self::ReadEvents => "read events",
            Self::ReadCheckpoints => "read checkpoints",
            Self::ReadJobs => "see the jobs (an admin or archivist may)",
            Self::Work => "take jobs (a worker may)",
            Self::ReadApiKeys => "see the API keys (an admin may)",
            Self::CreateApiKey => "make an API key (an admin may, but not by an API key)",
            Self::RevokeApiKey => "revoke an API key (an admin may)",
        }
    }

    /// What is "not found" where the viewer may not know of it.
    pub fn noun(self) -> &'static str {
        match self {
            Self::ReadCollection
            | Self::CreateCollection
            | Self::UpdateCollection
            | Self::SetPolicy
            | Self::VerifyFixity
            | Self::OpenTransfer => "collection",
            Self::ReadTransfer
            | Self::SubmitTransfer
            | Self::AcceptTransfer
            | Self::ReturnTransfer
            | Self::AddRecords => "transfer",
            Self::ReadRecord | Self::UpdateRecord | Self::AddVersion | Self::AddTask => "record",
            Self::Upload
            | Self::RestoreVersion
            | Self::Download
            | Self::RerunChecks
            | Self::DecideVersion => "version",
            Self::ReadTask | Self::UpdateTask => "task",
            Self::ReadExport | Self::RequestExport | Self::CancelExport => "export",
            Self::ReadEvents => "event",
            Self::ReadCheckpoints => "checkpoint",
            Self::ReadJobs | Self::Work => "job",
            Self::ReadApiKeys | Self::CreateApiKey | Self::RevokeApiKey => "API key",
        }
    }
}

/// What an action is about, as far as the rule needs it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Resource<'a> {
    /// The body that owns it; `None` for what belongs to no body.
    pub body: Option<&'a str>,
    /// Who deposited it.
    pub depositor: Option<&'a str>,
    /// Whether it was accepted.
    pub accepted: bool,
    /// Who it is assigned to.
    pub assignee: Option<&'a str>,
}

/// The answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// The viewer may not even know of it.
    Hidden,
    /// The viewer can see it, but may not do this.
    Forbidden,
    /// Yes.
    Allowed,
}

/// Who may do what. Where somebody has several roles, the most generous one decides.
pub fn authorise(actor: &Actor, action: Action, resource: &Resource<'_>) -> Verdict {
    actor
        .roles
        .iter()
        .map(|&role| for_role(actor, role, action, resource))
        .max()
        .unwrap_or(Verdict::Hidden)
}

fn for_role(actor: &Actor, role: Role, action: Action, resource: &Resource<'_>) -> Verdict {
    match role {
        Role::Admin => admin(actor, action),
        Role::Archivist => archivist(actor, action, resource),
        Role::Contributor => contributor(actor, action, resource),
        Role::Reader => reader(actor, action, resource),
        Role::Worker if action == Action::Work => Verdict::Allowed,
        Role::Worker => Verdict::Hidden,
    }
}

fn allow_if(condition: bool) -> Verdict {
    if condition {
        Verdict::Allowed
    } else {
        Verdict::Forbidden
    }
}

fn admin(actor: &Actor, action: Action) -> Verdict {
    match action {
        Action::AcceptTransfer | Action::ReturnTransfer | Action::DecideVersion | Action::Work => {
            Verdict::Forbidden
        }
        // A key that makes keys would outlive its own end.
        Action::CreateApiKey => allow_if(!matches!(actor.credential, Credential::ApiKey(_))),
        _ => Verdict::Allowed,
    }
}

fn archivist(actor: &Actor, action: Action, resource: &Resource<'_>) -> Verdict {
    match action {
        Action::AcceptTransfer | Action::ReturnTransfer | Action::DecideVersion => {
            allow_if(resource.depositor != Some(actor.subject.as_str()))
        }
        Action::Work | Action::ReadApiKeys | Action::CreateApiKey | Action::RevokeApiKey => {
            Verdict::Forbidden
        }
        _ => Verdict::Allowed,
    }
}

fn of_own_body(actor: &Actor, resource: &Resource<'_>) -> bool {
    resource
        .body
        .is_some_and(|body| actor.bodies.iter().any(|own| own == body))
}

fn contributor(actor: &Actor, action: Action, resource: &Resource<'_>) -> Verdict {
    let deposited = resource.depositor == Some(actor.subject.as_str());
    match action {
        Action::CreateCollection
        | Action::VerifyFixity
        | Action::ReadJobs
        | Action::Work
        | Action::ReadApiKeys
        | Action::CreateApiKey
        | Action::RevokeApiKey => Verdict::Forbidden,
        // They say how many events there are, and nothing of any.
        Action::ReadCheckpoints => Verdict::Allowed,
        _ if !of_own_body(actor, resource) => Verdict::Hidden,
        Action::ReadExport | Action::CancelExport if !deposited => Verdict::Hidden,
        Action::RequestExport | Action::Upload => allow_if(deposited),
        Action::UpdateCollection
        | Action::SetPolicy
        | Action::AcceptTransfer
        | Action::ReturnTransfer
        | Action::RerunChecks
        | Action::DecideVersion => Verdict::Forbidden,
        _ => Verdict::Allowed,
    }
}

fn reader(actor: &Actor, action: Action, resource: &Resource<'_>) -> Verdict {
    let own = of_own_body(actor, resource);
    let accepted = own && resource.accepted;
    let assigned = resource.assignee == Some(actor.subject.as_str());
    match action {
        Action::CreateCollection
        | Action::VerifyFixity
        | Action::ReadJobs
        | Action::Work
        | Action::ReadApiKeys
        | Action::CreateApiKey
        | Action::RevokeApiKey => Verdict::Forbidden,
        Action::ReadCheckpoints => Verdict::Allowed,
        Action::ReadCollection if own => Verdict::Allowed,
        Action::ReadRecord | Action::Download | Action::ReadTransfer if accepted => {
            Verdict::Allowed
        }
        Action::ReadTask | Action::UpdateTask if own && assigned => Verdict::Allowed,
        Action::UpdateCollection | Action::SetPolicy | Action::OpenTransfer if own => {
            Verdict::Forbidden
        }
        Action::SubmitTransfer
        | Action::AcceptTransfer
        | Action::ReturnTransfer
        | Action::AddRecords
        | Action::UpdateRecord
        | Action::AddVersion
        | Action::Upload
        | Action::RestoreVersion
        | Action::RerunChecks
        | Action::DecideVersion
        | Action::AddTask
        | Action::RequestExport
            if accepted =>
        {
            Verdict::Forbidden
        }
        _ => Verdict::Hidden,
    }
}
