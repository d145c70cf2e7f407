//! Says what files are: `cargo run -p pronom --example identify -- [--signatures XML [--containers XML]] FILE…`

use std::{error::Error, io::Write, path::PathBuf};

use pronom::Signatures;

fn main() -> Result<(), Box<dyn Error>> {
    let mut files: Vec<PathBuf> = Vec::new();
    let (mut binary, mut container) = (None, None);
    let mut arguments = std::env::args_os().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.to_str() {
            Some("--signatures") => binary = arguments.next().map(PathBuf::from),
            Some("--containers") => container = arguments.next().map(PathBuf::from),
            _ => files.push(argument.into()),
        }
    }
    let loaded = binary
        .map(|path| Signatures::load(&path, container.as_deref()))
        .transpose()?;
    let signatures = loaded.as_ref().unwrap_or_else(|| Signatures::builtin());
    let mut out = std::io::stdout().lock();
    for file in files {
        let found = signatures.identify_file(&file)?;
        let puids: Vec<&str> = found
            .matches
            .iter()
            .map(|format| format.puid.as_str())
            .collect();
        let name = found
            .matches
            .first()
            .map_or("unknown", |format| format.name.as_str());
        writeln!(out, "{}\t{}\t{name}", file.display(), puids.join(";"))?;
    }
    Ok(())
}
