//! How the worker works. Read by whoever starts it; nothing here is read from the environment.

use std::time::Duration;

use crate::client::ApiSettings;
use crate::exports::ExportSettings;
use crate::objects::{CopySettings, ReadSettings};

/// How the worker works. Each field has a default that suits one process with two cores.
#[derive(Debug, Clone)]
pub struct Config {
    /// The name that leases are taken under, shown to operators.
    pub name: String,
    /// How many checks and dispositions run at once.
    pub jobs: usize,
    /// How many exports run at once, beside the others, so that long ones never hold these up.
    pub exports: usize,
    /// How many things that are kept are read again at once, beside the others.
    pub fixity: usize,
    /// For how long a job is taken, and a message hidden. Both are extended at a third of it.
    pub lease: Duration,
    /// How long a receive waits for the first message.
    pub receive_wait: Duration,
    /// How long running jobs may go on after the worker was told to stop. Cleaning up and handing
    /// them back takes 15 s more at most, and what drains the process must wait for both.
    pub grace: Duration,
    /// How long a job waits, before it is handed back, that there is no room or no object store for.
    pub not_now: Duration,
    /// How the API is spoken to.
    pub api: ApiSettings,
    /// How objects are read.
    pub read: ReadSettings,
    /// How objects are copied.
    pub copy: CopySettings,
    /// What is written is encrypted by this KMS key; `None`: as the bucket has it.
    pub kms_key: Option<String>,
    /// How packages are written.
    pub export: ExportSettings,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            name: "worker".to_owned(),
            jobs: 4,
            exports: 1,
            fixity: 2,
            lease: Duration::from_mins(1),
            receive_wait: Duration::from_secs(20),
            grace: Duration::from_secs(20),
            not_now: Duration::from_secs(30),
            api: ApiSettings::default(),
            read: ReadSettings::default(),
            copy: CopySettings::default(),
            kms_key: None,
            export: ExportSettings::default(),
        }
    }
}
