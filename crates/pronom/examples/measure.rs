//! Times identification of everything in folders, one JSON object a folder; `bench/compare.py` reads it.
//!
//! `cargo run --release -p pronom --example measure -- [--signatures XML --containers XML] FOLDER…`

use std::{
    error::Error,
    fs,
    hint::black_box,
    io::Write,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use pronom::Signatures;

const RUNS: usize = 3;

fn main() -> Result<(), Box<dyn Error>> {
    let mut folders: Vec<PathBuf> = Vec::new();
    let (mut binary, mut container) = (None, None);
    let mut arguments = std::env::args_os().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.to_str() {
            Some("--signatures") => binary = arguments.next().map(PathBuf::from),
            Some("--containers") => container = arguments.next().map(PathBuf::from),
            _ => folders.push(argument.into()),
        }
    }
    let mut out = std::io::stdout().lock();
    let begin = Instant::now();
    black_box(Signatures::builtin());
    writeln!(
        out,
        "{{\"load_seconds\":{}}}",
        begin.elapsed().as_secs_f64()
    )?;
    let loaded = binary
        .map(|path| Signatures::load(&path, container.as_deref()))
        .transpose()?;
    let signatures = loaded.as_ref().unwrap_or_else(|| Signatures::builtin());
    for folder in folders {
        let mut files = Vec::new();
        collect(&folder, &mut files)?;
        let mut best = Duration::MAX;
        for _ in 0..RUNS {
            let begin = Instant::now();
            for (file, _) in &files {
                black_box(signatures.identify_file(file)?);
            }
            best = best.min(begin.elapsed());
        }
        let bytes: u64 = files.iter().map(|(_, size)| size).sum();
        writeln!(
            out,
            "{{\"folder\":{:?},\"files\":{},\"bytes\":{bytes},\"seconds\":{}}}",
            folder.display().to_string(),
            files.len(),
            best.as_secs_f64()
        )?;
    }
    Ok(())
}

fn collect(path: &Path, files: &mut Vec<(PathBuf, u64)>) -> std::io::Result<()> {
    let metadata = fs::symlink_metadata(path)?;
    if metadata.is_dir() {
        for entry in fs::read_dir(path)? {
            collect(&entry?.path(), files)?;
        }
    } else if metadata.is_file() {
        files.push((path.to_owned(), metadata.len()));
    }
    Ok(())
}
