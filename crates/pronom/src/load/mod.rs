//! Reading signature files as The National Archives publishes them.
//!
//! Owns the way from XML to the model, and the file and line of what is not understood.
//!
//! Always: a file that is read without an error has nothing in it that changes an answer and is not in the model.

mod binary;
mod container;
mod sequence;
mod syntax;
mod xml;

use std::{
    fs::{self, File},
    io::Read,
    path::Path,
};

use crate::{compiled::COMPILED, error::LoadError, model::Model};
use xml::Problem;

const MAX_FILE: u64 = 64 << 20;

/// The model that a pair of files makes.
pub(crate) fn load(binary: &Path, container: Option<&Path>) -> Result<Model, LoadError> {
    let mut model = Model::default();
    let name = binary.display().to_string();
    parse_binary(&name, &read(binary)?, &mut model)?;
    if let Some(path) = container {
        let name = path.display().to_string();
        parse_container(&name, &read(path)?, &mut model)?;
        if let Some(date) = date_in_name(path) {
            model.container_version = date;
        }
    }
    Ok(model)
}

/// The model that the texts of a pair of files make.
pub(crate) fn parse(binary: &str, container: Option<&str>) -> Result<Model, LoadError> {
    let mut model = Model::default();
    parse_binary("binary signatures", binary, &mut model)?;
    if let Some(text) = container {
        parse_container("container signatures", text, &mut model)?;
    }
    Ok(model)
}

/// Adds what a binary signature file says.
pub(crate) fn parse_binary(file: &str, text: &str, model: &mut Model) -> Result<(), LoadError> {
    xml::parse(text)
        .and_then(|root| binary::read(&root, model))
        .map_err(|problem| in_file(file, problem))
}

/// Adds what a container signature file says.
pub(crate) fn parse_container(file: &str, text: &str, model: &mut Model) -> Result<(), LoadError> {
    xml::parse(text)
        .and_then(|root| container::read(&root, model))
        .map_err(|problem| in_file(file, problem))
}

fn in_file(file: &str, problem: Problem) -> LoadError {
    LoadError::Syntax {
        file: file.to_owned(),
        line: problem.line,
        problem: problem.text,
    }
}

/// The bytes of a file that is compiled.
pub(crate) fn compiled(path: &Path) -> Result<Option<Vec<u8>>, LoadError> {
    let failed = |source| LoadError::Io {
        path: path.to_owned(),
        source,
    };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    (&file)
        .take(COMPILED.len() as u64)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes != COMPILED {
        return Ok(None);
    }
    let rest = file.take(MAX_FILE).read_to_end(&mut bytes);
    rest.map_err(failed).map(|_| Some(bytes))
}

fn read(path: &Path) -> Result<String, LoadError> {
    let failed = |source| LoadError::Io {
        path: path.to_owned(),
        source,
    };
    let size = fs::metadata(path).map_err(failed)?.len();
    if size > MAX_FILE {
        return Err(LoadError::Syntax {
            file: path.display().to_string(),
            line: 1,
            problem: format!("{size} bytes are more than a signature file has"),
        });
    }
    fs::read_to_string(path).map_err(failed)
}

/// `container-signature-20260119.xml` is the version `20260119`, as DROID has it.
fn date_in_name(path: &Path) -> Option<String> {
    let (_, date) = path.file_stem()?.to_str()?.rsplit_once('-')?;
    let digits = date.len() == 8 && date.bytes().all(|digit| digit.is_ascii_digit());
    digits.then(|| date.to_owned())
}
