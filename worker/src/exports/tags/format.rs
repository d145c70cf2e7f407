//! `file-ffid.csv`: what format each file is of, and who says so.

use crate::client::ExportItem;

pub(super) const COLUMNS: [&str; 9] = [
    "Filepath",
    "Extension",
    "PUID",
    "FormatName",
    "ExtensionMismatch",
    "FFID-Software",
    "FFID-SoftwareVersion",
    "FFID-BinarySignatureFileVersion",
    "FFID-ContainerSignatureFileVersion",
];

pub(super) fn row(item: &ExportItem) -> [String; COLUMNS.len()] {
    let (puid, name) = match &item.format {
        Some(format) => (format.puid.clone(), format.name.clone()),
        None => Default::default(),
    };
    let check = item.format_check.as_ref();
    let signatures = check
        .and_then(|check| check.signature_version.clone())
        .unwrap_or_default();
    // As `checks::format` joins them.
    let (binary, container) = signatures.split_once('/').unwrap_or((&signatures, ""));
    [
        item.payload_path.clone(),
        extension(&item.file_name).to_owned(),
        puid,
        name,
        item.extension_mismatch.to_string(),
        check
            .and_then(|check| check.engine.clone())
            .unwrap_or_default(),
        check
            .and_then(|check| check.engine_version.clone())
            .unwrap_or_default(),
        binary.to_owned(),
        container.to_owned(),
    ]
}

fn extension(name: &str) -> &str {
    match name.rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() => extension,
        _ => "",
    }
}
