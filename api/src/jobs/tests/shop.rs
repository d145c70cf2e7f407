//! A world with a worker in it.

use std::time::Duration;

use contract::{
    JobId,
    checks::{BUILT_IN, CHECKSUM, FORMAT},
};
use entity::event;
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _};
use uuid::Uuid;

use crate::{
    App,
    auth::{Caller, Role},
    checks::{
        self, Check,
        evidence::{Checksum, Claimed, Evidence, FormatEvidence, FormatMatch},
        reports::{CheckReport, CheckResult},
    },
    collections::{self, Rules},
    jobs::{
        Job, Kind,
        claim::{Held, claim, extend},
        fail::{Failed, Failure, fail},
        lease::ClaimKey,
        reported::Reported,
        store,
        work::{Answer, Claim, Work},
    },
    testing::{World, archivist, caller, contributor},
    transfers::Transfer,
    versions::{self, Basis, Input, Status, Version},
};

/// A world with a transfer, and a worker.
pub(crate) struct Shop {
    pub(crate) world: World,
    pub(crate) transfer: Transfer,
    pub(crate) worker: Caller,
}

impl Shop {
    pub(crate) async fn new() -> Self {
        Self::of(World::new().await).await
    }

    pub(crate) async fn of(world: World) -> Self {
        let transfer = world.transfer(&contributor("ann")).await;
        let worker = caller("worker", Role::Worker, &[]);
        Self {
            world,
            transfer,
            worker,
        }
    }

    pub(crate) async fn with_rules(change: impl FnOnce(Rules) -> Rules) -> Self {
        let shop = Self::new().await;
        shop.set_rules(1, change).await;
        shop
    }

    pub(crate) async fn set_rules(&self, revision: i32, change: impl FnOnce(Rules) -> Rules) {
        let id = self.world.collection.id.into();
        collections::service::set_policy(&self.world.app, &archivist(), id, revision, change)
            .await
            .expect("a policy is set");
    }

    pub(crate) fn app(&self) -> &App {
        &self.world.app
    }

    pub(crate) fn pass(&self, seconds: u64) {
        self.world.clock.advance(Duration::from_secs(seconds));
    }

    /// A version whose bytes have just come.
    pub(crate) async fn uploaded(&self, path: &str) -> Version {
        self.uploaded_in(&self.transfer, path).await
    }

    pub(crate) async fn uploaded_in(&self, transfer: &Transfer, path: &str) -> Version {
        let (_, mut row) = self
            .world
            .record(transfer, path, Status::AwaitingUpload)
            .await;
        let mut unit = self.app().begin_internal().await.expect("a unit begins");
        row.status = versions::next(row.status, Input::Uploaded).expect("it is uploaded");
        let row = versions::store::update(&mut unit, row, Status::AwaitingUpload)
            .await
            .expect("it is kept");
        checks::service::start_for_upload(&mut unit, std::slice::from_ref(&row))
            .await
            .expect("checks start");
        unit.commit().await.expect("it commits");
        row
    }

    pub(crate) async fn version(&self, id: Uuid) -> Version {
        versions::store::load_many(self.app().database(), &[id])
            .await
            .expect("it is read")
            .remove(&id)
            .expect("it is there")
    }

    pub(crate) async fn checks(&self, version: Uuid) -> Vec<Check> {
        checks::store::current_many(self.app().database(), &[version])
            .await
            .expect("they are read")
            .remove(&version)
            .unwrap_or_default()
    }

    pub(crate) async fn check(&self, version: Uuid, kind: &str) -> Check {
        let mut checks = self.checks(version).await;
        checks.retain(|check| check.kind == kind);
        checks.pop().expect("it is there")
    }

    /// The open jobs of a version, of that kind.
    pub(crate) async fn open(&self, version: Uuid, kind: Kind) -> Vec<Job> {
        let mut jobs = store::open_of_subjects(self.app().database(), [version])
            .await
            .expect("they are read")
            .remove(&version)
            .unwrap_or_default();
        jobs.retain(|job| job.kind == kind);
        jobs
    }

    pub(crate) async fn job(&self, id: JobId) -> Job {
        store::load(self.app().database(), id.0)
            .await
            .expect("it is read")
            .expect("it is there")
    }

    pub(crate) async fn claim(&self, ids: &[JobId]) -> Vec<Claim> {
        self.claim_with(ids, None).await
    }

    pub(crate) async fn claim_with(&self, ids: &[JobId], key: Option<&ClaimKey>) -> Vec<Claim> {
        claim(
            self.app(),
            &self.worker,
            ids,
            "worker-1",
            Duration::from_mins(1),
            key,
        )
        .await
        .expect("claiming is allowed")
    }

    /// Claims the open job of that kind.
    pub(crate) async fn take(&self, version: Uuid, kind: Kind) -> Held {
        let job = self
            .open(version, kind)
            .await
            .pop()
            .expect("there is a job");
        self.hold(JobId(job.id)).await
    }

    pub(crate) async fn hold(&self, job: JobId) -> Held {
        let claim = self.claim(&[job]).await.pop().expect("an answer");
        let Answer::Claimed(lease, _) = claim.answer else {
            panic!("the job cannot be claimed: {claim:?}");
        };
        Held {
            job,
            token: lease.token,
        }
    }

    /// Takes the checks of a version and reports these results.
    pub(crate) async fn checked(&self, version: &Version, results: Vec<CheckResult>) -> Reported {
        let held = self.take(version.id, Kind::Check).await;
        self.report(&held, results).await
    }

    pub(crate) async fn report(&self, held: &Held, results: Vec<CheckResult>) -> Reported {
        let report = CheckReport {
            held: held.clone(),
            object_etag: "\"e1\"".into(),
            results,
        };
        checks::reports::report(self.app(), &self.worker, vec![report])
            .await
            .expect("reporting is allowed")
            .pop()
            .expect("an answer")
    }

    /// Extends a lease, which has to be alive.
    pub(crate) async fn keep(&self, held: &Held, length: Duration) {
        let leases = std::slice::from_ref(held);
        let kept = extend(self.app(), &self.worker, leases, length)
            .await
            .expect("a worker may")
            .remove(0);
        assert!(kept.until.is_some(), "{kept:?}");
    }

    /// Tells that an attempt failed.
    pub(crate) async fn failed(&self, held: &Held, failure: Failure) -> Reported {
        let told = Failed {
            held: held.clone(),
            failure,
            reason: "the store cut the connection".into(),
        };
        fail(self.app(), &self.worker, &[told])
            .await
            .expect("a worker may")
            .pop()
            .expect("an answer")
    }

    /// The events with that action, oldest first.
    pub(crate) async fn events(&self, action: &str) -> Vec<event::Model> {
        event::Entity::find()
            .filter(event::Column::Action.eq(action))
            .order_by_asc(event::Column::Id)
            .all(self.app().database())
            .await
            .expect("they are read")
    }
}

/// What there is to do, if the job was claimed.
pub(crate) fn work(claim: &Claim) -> Option<&Work> {
    match &claim.answer {
        Answer::Claimed(_, work) => Some(work),
        Answer::NothingToDo | Answer::Busy => None,
    }
}

/// A result with nothing against it, of run 1.
pub(crate) fn passed(version: &Version, kind: &str) -> CheckResult {
    let checksum = Checksum {
        size: version.size,
        sha256: version.sha256.clone(),
        sha512: "ef".repeat(64),
    };
    let format = FormatEvidence {
        matches: vec![pdf()],
        ..FormatEvidence::default()
    };
    CheckResult {
        kind: kind.into(),
        run: 1,
        claimed: Claimed::Passed,
        engine: "an engine".into(),
        engine_version: "1".into(),
        signature_version: None,
        bytes_looked: version.size,
        detail: None,
        evidence: Evidence {
            object_etag: None,
            checksum: (kind == CHECKSUM).then_some(checksum),
            format: (kind == FORMAT).then_some(format),
        },
        started_at: version.created_at,
        finished_at: version.created_at,
    }
}

/// A format.
pub(crate) fn pdf() -> FormatMatch {
    FormatMatch {
        puid: "fmt/18".into(),
        name: "Acrobat PDF 1.4".into(),
        version: "1.4".into(),
        media_type: "application/pdf".into(),
        basis: Basis::Signature,
    }
}

/// The three built-in results, with nothing against the version.
pub(crate) fn all_passed(version: &Version) -> Vec<CheckResult> {
    BUILT_IN.map(|kind| passed(version, kind)).into()
}

/// The same with a change to one of them.
pub(crate) fn all_but(
    version: &Version,
    kind: &str,
    change: impl FnOnce(&mut CheckResult),
) -> Vec<CheckResult> {
    let mut results = all_passed(version);
    let result = results.iter_mut().find(|result| result.kind == kind);
    change(result.expect("it is built in"));
    results
}
