//! Says whether bags are valid, and what is wrong with them: `cargo run --example validate -- PATH…`

use std::{io::Write, path::Path, process::ExitCode};

fn main() -> std::io::Result<ExitCode> {
    let mut out = std::io::stdout().lock();
    let mut all_valid = true;
    for path in std::env::args_os().skip(1) {
        let path = Path::new(&path);
        let report = match bagit::validate(path, &mut |_| {}) {
            Ok(report) => report,
            Err(error) => {
                writeln!(out, "{error}")?;
                all_valid = false;
                continue;
            }
        };
        all_valid &= report.is_valid();
        for problem in &report.problems {
            writeln!(out, "{problem}")?;
        }
        if report.omitted() > 0 {
            writeln!(out, "and {} more", report.omitted())?;
        }
        let verdict = if report.is_valid() {
            "valid"
        } else {
            "INVALID"
        };
        writeln!(
            out,
            "{}: {verdict}: payload {}, {} tag files, {} digests verified, {} errors, {} warnings",
            path.display(),
            report.payload,
            report.tag_files,
            report.digests_verified,
            report.errors,
            report.warnings,
        )?;
    }
    Ok(if all_valid {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
