//! Writes signature files in the compact form: `cargo run -p pronom --example compile -- BINARY CONTAINER OUT`

use std::{error::Error, fs, path::PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [binary, container, out] = arguments.as_slice() else {
        return Err("usage: compile BINARY CONTAINER OUT".into());
    };
    fs::write(out, pronom::compile(binary, Some(container))?)?;
    Ok(())
}
