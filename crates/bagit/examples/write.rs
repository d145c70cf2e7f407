//! Writes a folder as a bag in a tar: `cargo run --example write -- FOLDER OUT.tar`
//!
//! The payload is read twice: for its digests, and into the archive. Who knows the digests already reads it once.

use std::{
    error::Error,
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::PathBuf,
};

use bagit::{ARCHIVE_END, BagBuilder, BagInfo, Content, Names, PayloadFile, PayloadPaths, padding};
use sha2::{Digest, Sha256, Sha512};
use walkdir::WalkDir;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(folder), Some(out)) = (arguments.next(), arguments.next()) else {
        return Err("usage: write FOLDER OUT.tar".into());
    };
    let mut info = BagInfo::new();
    info.add("Bag-Software-Agent", "the write example of the bagit crate")?;
    let mut builder = BagBuilder::new("bag", 0)?.info(info);
    let mut paths = PayloadPaths::new(Names::Portable);
    let mut files = Vec::new();
    for entry in WalkDir::new(&folder).sort_by_file_name() {
        let entry = entry?;
        if !entry.file_type().is_file() {
            continue;
        }
        let original = entry.path().strip_prefix(&folder)?.to_string_lossy();
        let (mut sha256, mut sha512) = (Sha256::new(), Sha512::new());
        let content = fs::read(entry.path())?;
        sha256.update(&content);
        sha512.update(&content);
        builder.add_payload(&PayloadFile {
            path: paths.assign(&original),
            size: content.len() as u64,
            sha256: hex::encode(sha256.finalize()),
            sha512: hex::encode(sha512.finalize()),
        })?;
        files.push(entry.into_path());
    }
    let bag = builder.build()?;
    let mut archive = BufWriter::new(File::create(&out)?);
    for entry in bag.entries() {
        archive.write_all(&bag.header(entry))?;
        match &entry.content {
            Content::Folder => {}
            Content::Text(text) => archive.write_all(text)?,
            Content::Payload(number) => {
                io::copy(&mut File::open(&files[*number])?, &mut archive)?;
            }
        }
        archive.write_all(&[0; 512][..padding(entry.size)])?;
    }
    archive.write_all(&ARCHIVE_END)?;
    archive.flush()?;
    Ok(())
}
