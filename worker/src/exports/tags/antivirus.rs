//! `file-av.csv`: who looked for malware, and with what result. A file that was not scanned, or
//! not as a whole, is seen to be so.

use crate::client::ExportItem;

pub(super) const COLUMNS: [&str; 8] = [
    "Filepath",
    "AV-Software",
    "AV-SoftwareVersion",
    "AV-SignatureVersion",
    "AV-Verdict",
    "AV-BytesLooked",
    "AV-FileSize",
    "AV-Detail",
];

pub(super) fn row(item: &ExportItem) -> [String; COLUMNS.len()] {
    let size = item.size.to_string();
    let Some(check) = &item.antivirus_check else {
        let none = String::new;
        let verdict = "NOT_RUN".to_owned();
        return [
            item.payload_path.clone(),
            none(),
            none(),
            none(),
            verdict,
            "0".to_owned(),
            size,
            none(),
        ];
    };
    let looked = check.coverage.map_or(0, |(bytes, _)| bytes);
    [
        item.payload_path.clone(),
        check.engine.clone().unwrap_or_default(),
        check.engine_version.clone().unwrap_or_default(),
        check.signature_version.clone().unwrap_or_default(),
        check.status.as_str().to_owned(),
        looked.to_string(),
        size,
        check.detail.clone().unwrap_or_default(),
    ]
}
