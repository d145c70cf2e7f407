//! The container signature file: which entries make a container a document of a format.

use super::{
    sequence,
    xml::{Element, Problem},
};
use crate::model::{ContainerFile, ContainerKind, ContainerSignature, Model};

/// Adds what the file says to the model.
pub(super) fn read(root: &Element, model: &mut Model) -> Result<(), Problem> {
    if root.name != "ContainerSignatureMapping" {
        return Err(Problem::new(
            root.line,
            format!(
                "<{}> is not the root of a container signature file",
                root.name
            ),
        ));
    }
    root.required("signatureVersion")?
        .trim()
        .clone_into(&mut model.container_version);
    let mut mappings: Vec<(u32, &str)> = Vec::new();
    for element in root.named("FileFormatMappings") {
        for mapping in element.named("FileFormatMapping") {
            let id = mapping.number("signatureId")?.unwrap_or_default();
            mappings.push((id, mapping.required("Puid")?));
        }
    }
    for collection in root.named("ContainerSignatures") {
        for element in collection.named("ContainerSignature") {
            model.containers.push(signature(element, &mappings)?);
        }
    }
    Ok(())
}

fn signature(element: &Element, mappings: &[(u32, &str)]) -> Result<ContainerSignature, Problem> {
    let id = element.number("Id")?.unwrap_or_default();
    let kind = match element.required("ContainerType")? {
        "OLE2" => ContainerKind::Ole2,
        "ZIP" => ContainerKind::Zip,
        other => {
            return Err(Problem::new(
                element.line,
                format!("ContainerType={other:?} is not supported"),
            ));
        }
    };
    let mut files: Vec<ContainerFile> = Vec::new();
    for file in element.named("Files").flat_map(|files| files.named("File")) {
        let read = container_file(file)?;
        // Of two entries with one path the last one counts, as in DROID.
        files.retain(|known| known.path != read.path);
        files.push(read);
    }
    let puids = mappings
        .iter()
        .filter(|(mapped, _)| *mapped == id)
        .map(|(_, puid)| (*puid).to_owned());
    Ok(ContainerSignature {
        id,
        kind,
        puids: puids.collect(),
        files,
    })
}

fn container_file(element: &Element) -> Result<ContainerFile, Problem> {
    let path = element
        .child("Path")
        .ok_or_else(|| Problem::new(element.line, "<File> has no <Path>"))?;
    let mut signatures = Vec::new();
    for collection in element
        .named("BinarySignatures")
        .flat_map(|binary| binary.named("InternalSignatureCollection"))
    {
        signatures.extend(sequence::signatures(collection)?);
    }
    Ok(ContainerFile {
        path: path.text.trim().to_owned(),
        signatures,
    })
}
