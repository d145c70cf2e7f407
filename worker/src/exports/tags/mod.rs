//! The tag files that say something of every file: two manifests and three CSV files.
//!
//! Cells of the CSV files are what was deposited, quoted as RFC 4180 has it and otherwise left
//! alone: a cell that begins with `=` is data here, and evidence is not altered. Whoever opens
//! them in a spreadsheet should import them as text.
//!
//! Always: what is rendered depends on the files and their order only, not on how they come in
//! pages.

mod antivirus;
mod format;
mod metadata;

use bagit::{Algorithm, encode_path};

use crate::client::ExportItem;
use metadata::Folders;

/// One of the tag files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Manifest(Algorithm),
    Metadata,
    Format,
    Antivirus,
}

impl Kind {
    /// In their order in the bag.
    pub(super) const ALL: [Self; 5] = [
        Self::Manifest(Algorithm::Sha256),
        Self::Manifest(Algorithm::Sha512),
        Self::Metadata,
        Self::Format,
        Self::Antivirus,
    ];

    pub(super) fn file_name(self) -> String {
        match self {
            Self::Manifest(algorithm) => format!("manifest-{algorithm}.txt"),
            Self::Metadata => "file-metadata.csv".to_owned(),
            Self::Format => "file-ffid.csv".to_owned(),
            Self::Antivirus => "file-av.csv".to_owned(),
        }
    }
}

/// Writes one tag file, page by page.
#[derive(Debug)]
pub(super) struct Renderer {
    kind: Kind,
    folders: Folders,
}

impl Renderer {
    pub(super) fn new(kind: Kind) -> Self {
        Self {
            kind,
            folders: Folders::default(),
        }
    }

    /// What stands before the first file.
    pub(super) fn header(&self) -> Vec<u8> {
        match self.kind {
            Kind::Manifest(_) => Vec::new(),
            Kind::Metadata => rows([metadata::COLUMNS]),
            Kind::Format => rows([format::COLUMNS]),
            Kind::Antivirus => rows([antivirus::COLUMNS]),
        }
    }

    /// What is said of the files that come next.
    pub(super) fn page(&mut self, items: &[ExportItem]) -> Vec<u8> {
        match self.kind {
            Kind::Manifest(algorithm) => manifest(algorithm, items),
            Kind::Metadata => rows(items.iter().flat_map(|item| self.folders.rows(item))),
            Kind::Format => rows(items.iter().map(format::row)),
            Kind::Antivirus => rows(items.iter().map(antivirus::row)),
        }
    }
}

fn manifest(algorithm: Algorithm, items: &[ExportItem]) -> Vec<u8> {
    let mut text = String::new();
    for item in items {
        let digest = match algorithm {
            Algorithm::Sha256 => &item.sha256,
            _ => &item.sha512,
        };
        text.push_str(&digest.to_ascii_lowercase());
        text.push_str("  ");
        text.push_str(&encode_path(&item.payload_path));
        text.push('\n');
    }
    text.into_bytes()
}

fn rows<R, C>(rows: impl IntoIterator<Item = R>) -> Vec<u8>
where
    R: IntoIterator<Item = C>,
    C: AsRef<[u8]>,
{
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        // Writing to memory fails only where rows differ in length, which the types rule out.
        if let Err(error) = writer.write_record(row) {
            tracing::error!(%error, "a row was not written");
        }
    }
    writer.into_inner().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever a depositor wrote is read by others as it was written, and takes no other cell's place.
    #[test]
    fn any_cell_comes_back_from_a_csv_file() {
        let seeds = [
            b"=cmd()|'/C calc'!A0\xFFa \"quoted\", text\xFFtwo\r\nlines".to_vec(),
            b"@SUM(1+1)\xFF-1+1\xFF+1".to_vec(),
            b"\xFF\xFF\xFF".to_vec(),
            "caf\u{e9}\u{202e}\u{feff}\t;".as_bytes().to_vec(),
        ];
        let regressions =
            std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/regressions");
        fuzzing::Target::new("csv", &regressions, &seeds)
            .with_words(&[b"\"", b",", b"\r", b"\n", b"\0", b"\"\"", b"\\", b"#"])
            .at_most(4_000)
            .run(|bytes| {
                let cells: Vec<String> = bytes
                    .split(|byte| *byte == 0xFF)
                    .map(|cell| String::from_utf8_lossy(cell).into_owned())
                    .collect();
                let header = vec!["name".to_owned(); cells.len()];
                let written = rows([&header, &cells, &cells]);
                let mut reader = csv::Reader::from_reader(written.as_slice());
                let read: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
                assert_eq!(read.len(), 2);
                for row in read {
                    assert_eq!(row.iter().collect::<Vec<_>>(), cells);
                }
            });
    }
}
