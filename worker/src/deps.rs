//! What every job is given.

use std::sync::Arc;

use runtime::clock::Clock;

use crate::checks::antivirus::Scanner;
use crate::client::{Api, Batch, CheckReport, DispositionReport, FixityReport};
use crate::config::Config;
use crate::objects::Objects;

/// What every job is given.
pub(crate) struct Deps {
    pub(crate) api: Arc<dyn Api>,
    pub(crate) check_reports: Batch<CheckReport>,
    pub(crate) disposition_reports: Batch<DispositionReport>,
    pub(crate) fixity_reports: Batch<FixityReport>,
    pub(crate) objects: Objects,
    pub(crate) scanner: Arc<dyn Scanner>,
    pub(crate) signatures: &'static pronom::Signatures,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) config: Config,
}
