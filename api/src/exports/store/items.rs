//! The files of an export, page by page, each with all that stands in its bag.
//!
//! Always: a page costs five statements, whatever it holds.

use std::collections::HashMap;

use contract::checks;
use entity::{check, export_item, record, transfer, version};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
};
use uuid::Uuid;

use crate::Error;

/// A file of an export, with all that stands in its bag.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// Its place in the bag.
    pub position: i64,
    /// Its name below `data/`.
    pub payload_path: String,
    /// Of which record.
    pub record: record::Model,
    /// Which version.
    pub version: version::Model,
    /// How its record came.
    pub transfer_reference: String,
    /// The current FORMAT check.
    pub format_check: Option<check::Model>,
    /// The current ANTIVIRUS check.
    pub antivirus_check: Option<check::Model>,
}

/// Up to `limit` files that come after a place in the bag, in the order of the bag.
pub async fn items(
    db: &impl ConnectionTrait,
    export: Uuid,
    after: Option<i64>,
    limit: u64,
) -> Result<Vec<Item>, Error> {
    let rows = export_item::Entity::find()
        .filter(export_item::Column::ExportId.eq(export))
        .filter(export_item::Column::Position.gt(after.unwrap_or(-1)))
        .order_by_asc(export_item::Column::Position)
        .limit(limit)
        .all(db)
        .await?;
    let mut around = Around::load(db, &rows).await?;
    rows.into_iter()
        .map(|row| {
            let (position, record) = (row.position, row.record_id);
            around.item(row).ok_or_else(|| {
                Error::Internal(format!(
                    "item {position} of export {export}: record {record} is gone"
                ))
            })
        })
        .collect()
}

struct Around {
    records: HashMap<Uuid, record::Model>,
    versions: HashMap<Uuid, version::Model>,
    transfers: HashMap<Uuid, String>,
    checks: HashMap<(Uuid, String), check::Model>,
}

impl Around {
    async fn load(db: &impl ConnectionTrait, rows: &[export_item::Model]) -> Result<Self, DbErr> {
        let versions: Vec<Uuid> = rows.iter().map(|row| row.version_id).collect();
        let records = record::Entity::find()
            .filter(record::Column::Id.is_in(rows.iter().map(|row| row.record_id)))
            .all(db)
            .await?;
        let transfers = transfer::Entity::find()
            .filter(transfer::Column::Id.is_in(records.iter().map(|row| row.transfer_id)))
            .all(db)
            .await?;
        let checks = check::Entity::find()
            .filter(check::Column::VersionId.is_in(versions.iter().copied()))
            .filter(check::Column::Kind.is_in([checks::FORMAT, checks::ANTIVIRUS]))
            .filter(check::Column::Current.eq(true))
            .all(db)
            .await?;
        let versions = version::Entity::find()
            .filter(version::Column::Id.is_in(versions))
            .all(db)
            .await?;
        Ok(Self {
            records: records.into_iter().map(|row| (row.id, row)).collect(),
            versions: versions.into_iter().map(|row| (row.id, row)).collect(),
            transfers: transfers
                .into_iter()
                .map(|row| (row.id, row.reference))
                .collect(),
            checks: checks
                .into_iter()
                .map(|row| ((row.version_id, row.kind.clone()), row))
                .collect(),
        })
    }

    fn item(&mut self, row: export_item::Model) -> Option<Item> {
        let record = self.records.remove(&row.record_id)?;
        let mut check = |kind: &str| self.checks.remove(&(row.version_id, kind.to_owned()));
        Some(Item {
            position: row.position,
            payload_path: row.payload_path,
            format_check: check(checks::FORMAT),
            antivirus_check: check(checks::ANTIVIRUS),
            transfer_reference: self.transfers.get(&record.transfer_id)?.clone(),
            version: self.versions.remove(&row.version_id)?,
            record,
        })
    }
}
