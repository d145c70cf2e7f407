//! What can be wrong with the log.

use std::fmt;

use contract::EventId;

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// An event is not what was sealed.
    Edited {
        /// Which.
        event: EventId,
        /// About what.
        subject: String,
        /// Its number there.
        sequence: Option<i64>,
    },
    /// An event that was sealed is not there.
    Removed {
        /// Which.
        event: EventId,
        /// Its place in the tree.
        leaf: u64,
    },
    /// An event that waited for the tree is not there.
    RemovedUnsealed {
        /// Which.
        event: EventId,
    },
    /// An event is there that the tree does not know of.
    Inserted {
        /// Which.
        event: EventId,
        /// About what.
        subject: String,
    },
    /// A chain lacks events.
    Gap {
        /// Of what.
        subject: String,
        /// The numbers that are missing.
        missing: (i64, i64),
    },
    /// Two events have one place.
    Doubled {
        /// The second.
        event: EventId,
        /// Of what.
        subject: String,
    },
    /// An event does not follow the one before it.
    NotLinked {
        /// Which.
        event: EventId,
        /// About what.
        subject: String,
    },
    /// Leaves of the tree are missing.
    LeavesMissing {
        /// The first.
        from: u64,
        /// The last.
        to: u64,
    },
    /// Leaves are not those that were sealed.
    LeavesChanged {
        /// The first of those that may be concerned.
        from: u64,
        /// The last.
        to: u64,
    },
    /// A checkpoint is not one of ours.
    Forged {
        /// Of how many events it says it is.
        size: u64,
        /// What is wrong with it.
        why: String,
    },
    /// The tree does not have the root that was signed.
    OtherRoot {
        /// At which size.
        size: u64,
        /// Whether the checkpoint was kept elsewhere.
        kept: bool,
    },
    /// There are fewer leaves than were signed.
    RolledBack {
        /// How many were signed.
        signed: u64,
        /// How many there are.
        found: u64,
        /// Whether the checkpoint was kept elsewhere.
        kept: bool,
    },
    /// There are leaves that were never signed.
    Unsigned {
        /// How many there are.
        leaves: u64,
        /// How many were signed.
        signed: u64,
    },
}

impl Finding {
    /// A word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Edited { .. } => "EDITED",
            Self::Removed { .. } => "REMOVED",
            Self::RemovedUnsealed { .. } => "REMOVED_UNSEALED",
            Self::Inserted { .. } => "INSERTED",
            Self::Gap { .. } => "GAP",
            Self::Doubled { .. } => "DOUBLED",
            Self::NotLinked { .. } => "NOT_LINKED",
            Self::LeavesMissing { .. } => "LEAVES_MISSING",
            Self::LeavesChanged { .. } => "LEAVES_CHANGED",
            Self::Forged { .. } => "CHECKPOINT_FORGED",
            Self::OtherRoot { .. } => "OTHER_ROOT",
            Self::RolledBack { .. } => "ROLLED_BACK",
            Self::Unsigned { .. } => "UNSIGNED",
        }
    }
}

fn whose(kept: bool) -> &'static str {
    if kept {
        "the checkpoint kept elsewhere"
    } else {
        "the checkpoint"
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Edited {
                event,
                subject,
                sequence,
            } => match sequence {
                Some(number) => write!(f, "{event} (number {number} of {subject}) was edited"),
                None => write!(f, "{event} (of {subject}) was edited"),
            },
            Self::Removed { event, leaf } => write!(f, "{event} (leaf {leaf}) was removed"),
            Self::RemovedUnsealed { event } => {
                write!(f, "{event} was removed before it came into the tree")
            }
            Self::Inserted { event, subject } => write!(
                f,
                "{event} (of {subject}) is not in the tree: it was inserted from outside, or its leaf was removed"
            ),
            Self::Gap {
                subject,
                missing: (from, to),
            } if from == to => {
                write!(f, "{subject}: event number {from} is missing")
            }
            Self::Gap {
                subject,
                missing: (from, to),
            } => {
                write!(f, "{subject}: events number {from} to {to} are missing")
            }
            Self::Doubled { event, subject } => {
                write!(f, "{event}: {subject} has another event of the same number")
            }
            Self::NotLinked { event, subject } => write!(
                f,
                "{event} does not follow the event before it of {subject}: one of them was edited or reordered"
            ),
            Self::LeavesMissing { from, to } => {
                write!(f, "leaves {from} to {to} of the tree are missing")
            }
            Self::LeavesChanged { from, to } => write!(
                f,
                "leaves {from} to {to} of the tree are not those that were sealed: they were edited, removed or reordered"
            ),
            Self::Forged { size, why } => write!(f, "the checkpoint of {size} events: {why}"),
            Self::OtherRoot { size, kept } => write!(
                f,
                "the first {size} events have another root than {} of them",
                whose(*kept)
            ),
            Self::RolledBack {
                signed,
                found,
                kept,
            } => write!(
                f,
                "{found} events are in the tree, but {} says {signed}: the tree was rolled back",
                whose(*kept)
            ),
            Self::Unsigned { leaves, signed } => write!(
                f,
                "{leaves} events are in the tree, but only {signed} were signed: a checkpoint was removed, or leaves were inserted"
            ),
        }
    }
}
