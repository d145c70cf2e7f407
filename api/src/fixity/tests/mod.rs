//! Fixity against a database.

mod asked;
mod found;
mod rules;
mod scheduled;

use contract::{VersionId, checks::CHECKSUM};
use uuid::Uuid;

use super::{
    Digests, Finding, FixityCheck, FixityRun, Selection,
    reports::{FixityReport, report},
    runs, schedule, store,
};
use crate::{
    checks::{
        self, Check,
        evidence::{Checksum, Evidence},
    },
    exports::{self, Export},
    jobs::{Kind, claim::Held, reported::Reported, tests::shop::Shop},
    page::Args,
    records::{self, Record},
    testing::archivist,
    versions::{self, Status, Version},
};

/// What the small archive's files amount to.
fn good() -> Finding {
    Finding::Measured(Digests {
        size: 10,
        sha256: "ab".repeat(32),
        sha512: Some("cd".repeat(64)),
    })
}

/// One bit of it is another.
fn bad() -> Finding {
    Finding::Measured(Digests {
        size: 10,
        sha256: "aa".repeat(32),
        sha512: Some("cc".repeat(64)),
    })
}

impl Shop {
    async fn kept(&self, path: &str) -> Version {
        let (_, version) = self
            .world
            .record(&self.transfer, path, Status::Accepted)
            .await;
        self.measured(&version).await;
        version
    }

    /// What the CHECKSUM check of a kept version has measured.
    async fn measured(&self, version: &Version) {
        let unit = self.app().begin_internal().await.unwrap();
        let evidence = Evidence {
            object_etag: Some("\"e1\"".into()),
            checksum: Some(Checksum {
                size: version.size,
                sha256: version.sha256.clone(),
                sha512: version.sha512.clone().unwrap(),
            }),
            ..Evidence::default()
        };
        let check = Check {
            status: checks::Status::Passed,
            evidence: Some(serde_json::json!(evidence)),
            ..checks::service::pending(&unit, version, CHECKSUM, 1)
        };
        checks::store::insert_many(&unit, vec![check])
            .await
            .unwrap();
        unit.commit().await.unwrap();
    }

    /// A further version of a kept record, of content of its own, kept and current.
    async fn kept_again(&self, first: &Version) -> Version {
        let mut unit = self.app().begin_internal().await.unwrap();
        let id = unit.id();
        let second = Version {
            id,
            content_id: id,
            number: first.number + 1,
            ..first.clone()
        };
        versions::store::insert_many(&unit, vec![second.clone()])
            .await
            .unwrap();
        let mut record = self.record(first).await;
        (record.newest_version_id, record.newest_number) = (id, second.number);
        records::store::update(&unit, record).await.unwrap();
        let second = versions::store::update(&mut unit, second, Status::Checking)
            .await
            .unwrap();
        unit.commit().await.unwrap();
        self.measured(&second).await;
        second
    }

    async fn pass_once(&self) -> usize {
        schedule::pass(self.app()).await.unwrap()
    }

    /// The checks of a version, newest first.
    async fn fixity(&self, version: Uuid) -> Vec<FixityCheck> {
        let filter = store::Filter {
            version: Some(version),
            ..store::Filter::default()
        };
        self.fixity_by(filter).await
    }

    async fn fixity_by(&self, filter: store::Filter) -> Vec<FixityCheck> {
        let args = Args {
            first: Some(100),
            ..Args::default()
        };
        let page = store::checks(self.app().database(), filter, &args).await;
        page.unwrap()
            .items
            .into_iter()
            .map(|(_, row)| row)
            .collect()
    }

    async fn verify(&self, selection: Selection) -> FixityRun {
        runs::verify_now(self.app(), &archivist(), None, selection)
            .await
            .unwrap()
    }

    async fn run_now(&self, run: &FixityRun) -> FixityRun {
        let actor = archivist().actor;
        let found = store::lookup_run(self.app().database(), &actor, run.id);
        found.await.unwrap().unwrap()
    }

    async fn hold_check(&self, check: &FixityCheck) -> Held {
        self.take(check.id, Kind::Fixity).await
    }

    async fn tell(&self, held: &Held, finding: Finding) -> Reported {
        let told = FixityReport {
            held: held.clone(),
            finding,
            object_etag: Some("\"e2\"".into()),
            engine: "a reader 1.0".into(),
        };
        let told = report(self.app(), &self.worker, &[told]).await;
        told.unwrap().pop().unwrap()
    }

    /// A worker takes the check and finds this.
    async fn finds(&self, check: &FixityCheck, finding: Finding) -> Reported {
        let held = self.hold_check(check).await;
        self.tell(&held, finding).await
    }

    /// A person has the version's record verified, and the worker finds this.
    async fn verified(&self, version: &Version, finding: Finding) {
        let run = self
            .verify(Selection::RecordId(version.record_id.into()))
            .await;
        let checks = self.fixity(version.id).await;
        assert_eq!(checks[0].run_id, Some(run.id));
        self.finds(&checks[0], finding).await;
    }

    async fn record(&self, version: &Version) -> Record {
        let actor = archivist().actor;
        let found = records::store::lookup(self.app().database(), &actor, version.record_id).await;
        found.unwrap().unwrap()
    }

    /// A finished package of the transfer.
    pub(crate) async fn package(&self) -> Export {
        let mut unit = self.app().begin_internal().await.unwrap();
        let row = Export {
            id: unit.id(),
            status: exports::Status::Ready,
            format: exports::BAGIT_TAR.into(),
            reference: "T".into(),
            selection: serde_json::json!(exports::Selection::TransferId(self.transfer.id.into())),
            transfer_id: Some(self.transfer.id),
            requested_by: "ann".into(),
            files: 1,
            bytes: 10,
            files_done: 1,
            bytes_done: 10,
            as_of: unit.now(),
            size: Some(10),
            sha256: Some("ab".repeat(32)),
            error: None,
            created_at: unit.now(),
            finished_at: Some(unit.now()),
            expires_at: Some(unit.now() + chrono::TimeDelta::days(30)),
            verified_at: None,
            tree_size: None,
        };
        let row = exports::store::insert(&mut unit, row).await.unwrap();
        unit.commit().await.unwrap();
        row
    }

    async fn export(&self, id: Uuid) -> Export {
        let found = exports::store::load(self.app().database(), id).await;
        found.unwrap().unwrap()
    }
}

fn id(version: &Version) -> VersionId {
    version.id.into()
}

/// A day, in seconds.
const DAY: u64 = 86_400;
