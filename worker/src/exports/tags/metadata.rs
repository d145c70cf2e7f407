//! `file-metadata.csv`: what the depositor said, with the columns that downstream systems read.
//!
//! Columns that the record itself has (reference, name, size, path, UUID, description, date) come
//! from it; all others from the field of that name in the record's metadata, where it has one.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::Value;

use crate::client::ExportItem;

pub(super) const COLUMNS: [&str; 31] = [
    "file_reference",
    "file_name",
    "file_type",
    "file_size",
    "clientside_original_filepath",
    "rights_copyright",
    "legal_status",
    "held_by",
    "date_last_modified",
    "closure_type",
    "closure_start_date",
    "closure_period",
    "foi_exemption_code",
    "foi_exemption_asserted",
    "title_closed",
    "title_alternate",
    "description",
    "description_closed",
    "description_alternate",
    "language",
    "end_date",
    "file_name_translation",
    "original_filepath",
    "parent_reference",
    "former_reference_department",
    "UUID",
    "restrictions_on_use",
    "related_material",
    "evidence_provided_by",
    "note",
    "copyright_details",
];

type Row = [String; COLUMNS.len()];

/// The folders that have had their row. Files stand in the order of their paths, so only the last
/// file's folders need to be remembered.
#[derive(Debug, Default)]
pub(super) struct Folders {
    last: String,
}

impl Folders {
    /// The rows of the folders that this file is the first of, then its own.
    pub(super) fn rows(&mut self, item: &ExportItem) -> Vec<Row> {
        let path = &item.payload_path;
        let begin = "data/".len();
        let mut rows: Vec<Row> = path
            .match_indices('/')
            .map(|(at, _)| at)
            .filter(|at| *at >= begin && !self.is_known(&path[..=*at]))
            .map(|at| folder(&path[..at]))
            .collect();
        self.last.clone_from(path);
        rows.push(file(item));
        rows
    }

    fn is_known(&self, folder: &str) -> bool {
        self.last.starts_with(folder)
    }
}

fn folder(path: &str) -> Row {
    row(|column| match column {
        "file_name" => last_step(path).to_owned(),
        "file_type" => "Folder".to_owned(),
        "clientside_original_filepath" => path.to_owned(),
        _ => String::new(),
    })
}

fn file(item: &ExportItem) -> Row {
    row(|column| match column {
        "file_reference" => item.record_reference.clone(),
        "file_name" => item.file_name.clone(),
        "file_type" => "File".to_owned(),
        "file_size" => item.size.to_string(),
        "clientside_original_filepath" => item.payload_path.clone(),
        "date_last_modified" => item.last_modified.map(time).unwrap_or_default(),
        "description" if !item.description.is_empty() => item.description.clone(),
        // Where the payload path had to be changed, the depositor's is kept here.
        "original_filepath" if item.payload_path.strip_prefix("data/") != Some(&item.path) => {
            item.path.clone()
        }
        "UUID" => item.version.0.to_string(),
        other => item.metadata.get(other).map(text).unwrap_or_default(),
    })
}

fn row(cell: impl Fn(&str) -> String) -> Row {
    COLUMNS.map(cell)
}

fn last_step(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(text).collect::<Vec<_>>().join("|"),
        other => other.to_string(),
    }
}
