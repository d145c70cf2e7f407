//! Writes the files of the first command: `cargo run -p muniment --example make_samples -- samples`.
//!
//! The files are committed; this says how they came to be. A test (`tests/samples.rs`) holds that
//! the committed bytes are these.

mod containers;
mod files;

use std::path::PathBuf;

fn main() -> std::io::Result<()> {
    let folder = PathBuf::from(std::env::args_os().nth(1).unwrap_or("samples".into()));
    for (name, bytes) in files::all() {
        let path = folder.join(name);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(path, bytes)?;
    }
    Ok(())
}
