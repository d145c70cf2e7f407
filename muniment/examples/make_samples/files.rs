//! What the samples are.
//!
//! Two levels of folders, names with spaces and accents, and of each kind of verdict at least one
//! that the default policy gives to a file that does no harm.

use super::containers::{pdf, png, zip};

/// Their paths and bytes.
pub(crate) fn all() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("Accounts 1923.csv", accounts()),
        (
            "Deeds/Grant of the mill.pdf",
            pdf("Grant of the mill to the town, 3 May 1781"),
        ),
        ("Deeds/Register of tenants.ods", register()),
        ("Deeds/Übergabeprotokoll.docx", protocol()),
        ("Letters/1951/Lettre à la mairie.txt", letter()),
        // No extension and no signature: unidentified.
        ("Letters/1951/unsigned note", b"Burn this.\n".to_vec()),
        // The extension is another format's.
        ("Letters/1951/seal.pdf", seal()),
        ("Letters/enclosures.zip", enclosures()),
        ("Letters/envelope.txt", Vec::new()),
        ("Minutes of the council.txt", minutes()),
        ("Plans/Ground floor.gif", ground_floor()),
        ("Plans/Seal of the town.png", seal()),
    ]
}

fn accounts() -> Vec<u8> {
    "date,item,pounds,shillings,pence\r\n\
     1923-01-02,\"coal, two tons\",2,10,0\r\n\
     1923-01-09,ink and paper,0,7,6\r\n\
     1923-02-01,mending of the roof,11,0,0\r\n"
        .into()
}

fn minutes() -> Vec<u8> {
    "Minutes of the council, 12 March 1923\n\n\
     Present: the mayor, eleven councillors, the clerk.\n\
     1. The minutes of the last meeting were read and approved.\n\
     2. The roof of the muniment room is to be mended before the autumn.\n"
        .into()
}

fn letter() -> Vec<u8> {
    "Monsieur le maire,\n\n\
     J’ai l’honneur de vous rendre les registres prêtés à l’été 1950.\n\n\
     Élodie Lefèvre\n"
        .into()
}

/// A wax seal, seen from far away: a disc that is lighter in the middle.
fn seal() -> Vec<u8> {
    const SIDE: i32 = 24;
    let squares = (0..SIDE).flat_map(|row| (0..SIDE).map(move |column| (row, column)));
    let pixels: Vec<u8> = squares
        .map(|(row, column)| {
            let (down, right) = (2 * row + 1 - SIDE, 2 * column + 1 - SIDE);
            match down * down + right * right {
                0..=120 => 200,
                121..=500 => 90,
                _ => 255,
            }
        })
        .collect();
    png(24, &pixels)
}

/// Two pixels, black and white: the smallest plan.
fn ground_floor() -> Vec<u8> {
    let mut file = b"GIF89a\x02\0\x01\0\x80\0\0\0\0\0\xff\xff\xff".to_vec();
    file.extend(b"\x2c\0\0\0\0\x02\0\x01\0\0\x02\x02\x44\x0a\0\x3b");
    file
}

fn enclosures() -> Vec<u8> {
    zip(&[
        (
            "list of enclosures.txt",
            b"1. A photograph of the bridge.\n",
        ),
        ("bridge.png", &png(2, &[0, 80, 160, 255])),
    ])
}

fn protocol() -> Vec<u8> {
    const TYPES: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/><Override PartName="/word/document.xml" ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>"#;
    const RELATIONSHIPS: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="word/document.xml"/></Relationships>"#;
    const DOCUMENT: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body><w:p><w:r><w:t>Übergabe des Archivs an die Stadt, 1. Mai 1951</w:t></w:r></w:p></w:body></w:document>"#;
    zip(&[
        ("[Content_Types].xml", TYPES.as_bytes()),
        ("_rels/.rels", RELATIONSHIPS.as_bytes()),
        ("word/document.xml", DOCUMENT.as_bytes()),
    ])
}

fn register() -> Vec<u8> {
    const MIMETYPE: &str = "application/vnd.oasis.opendocument.spreadsheet";
    const CONTENT: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<office:document-content xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0" xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0" office:version="1.2"><office:body><office:spreadsheet><table:table table:name="Tenants"><table:table-row><table:table-cell office:value-type="string"><text:p>The mill</text:p></table:table-cell><table:table-cell office:value-type="string"><text:p>J. Wright</text:p></table:table-cell></table:table-row></table:table></office:spreadsheet></office:body></office:document-content>"#;
    const MANIFEST: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0" manifest:version="1.2"><manifest:file-entry manifest:full-path="/" manifest:version="1.2" manifest:media-type="application/vnd.oasis.opendocument.spreadsheet"/><manifest:file-entry manifest:full-path="content.xml" manifest:media-type="text/xml"/></manifest:manifest>"#;
    zip(&[
        ("mimetype", MIMETYPE.as_bytes()),
        ("content.xml", CONTENT.as_bytes()),
        ("META-INF/manifest.xml", MANIFEST.as_bytes()),
    ])
}
