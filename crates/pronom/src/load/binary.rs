//! The binary signature file: formats and their signatures.

use super::{
    sequence,
    xml::{Element, Problem},
};
use crate::model::{Format, Model};

/// Adds what the file says to the model.
pub(super) fn read(root: &Element, model: &mut Model) -> Result<(), Problem> {
    if root.name != "FFSignatureFile" {
        return Err(Problem::new(
            root.line,
            format!("<{}> is not the root of a binary signature file", root.name),
        ));
    }
    model.version = format!("V{}", root.required("Version")?.trim());
    let created = root.attribute("DateCreated").unwrap_or_default();
    created.trim().clone_into(&mut model.created);
    for collection in root.named("InternalSignatureCollection") {
        model.signatures.extend(sequence::signatures(collection)?);
    }
    for collection in root.named("FileFormatCollection") {
        for element in collection.named("FileFormat") {
            model.formats.push(format(element)?);
        }
    }
    Ok(())
}

fn format(element: &Element) -> Result<Format, Problem> {
    let text = |name| element.attribute(name).unwrap_or_default().to_owned();
    let numbers = |name| {
        let inside = element.named(name).map(Element::number_inside);
        inside.collect::<Result<Vec<_>, _>>()
    };
    Ok(Format {
        puid: element.required("PUID")?.to_owned(),
        name: text("Name"),
        version: text("Version"),
        mime: text("MIMEType"),
        extensions: element
            .named("Extension")
            .map(|extension| extension.text.trim().to_owned())
            .collect(),
        id: element.number("ID")?.unwrap_or_default(),
        priority_over: numbers("HasPriorityOverFileFormatID")?,
        signatures: numbers("InternalSignatureID")?,
    })
}
