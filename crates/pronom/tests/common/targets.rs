//! What must hold of any bytes. The fuzz targets (`fuzz/`) and the mutation loop (`tests/mutations.rs`) call these.
//!
//! Always: nothing panics; a file gets the same answer whole and as a stream; what is read as signatures can be used.

use pronom::Signatures;

use crate::build;

/// Where a run begins, beside any bytes at all.
pub(crate) const BINARY: &str = r#"<?xml version="1.0"?>
<FFSignatureFile DateCreated="2026-01-19T10:53:18" Version="7" xmlns="http://www.nationalarchives.gov.uk/pronom/SignatureFile">
 <InternalSignatureCollection><InternalSignature ID="1">
  <ByteSequence Reference="BOFoffset"><SubSequence Position="1" SubSeqMinOffset="0" SubSeqMaxOffset="4">
   <Sequence>41[42:43]'D'(45|46){2-3}47*48</Sequence></SubSequence></ByteSequence>
  <ByteSequence Reference="EOFoffset"><SubSequence Position="1" SubSeqMinOffset="0" SubSeqMaxOffset="9">
   <Sequence>5A</Sequence><LeftFragment Position="1" MinOffset="0" MaxOffset="2">59</LeftFragment></SubSequence></ByteSequence>
 </InternalSignature><InternalSignature ID="2">
  <ByteSequence Reference="BOFoffset"><SubSequence Position="1" SubSeqMinOffset="0" SubSeqMaxOffset="0"><Sequence>504B0304</Sequence></SubSequence></ByteSequence>
 </InternalSignature><InternalSignature ID="3">
  <ByteSequence Reference="BOFoffset"><SubSequence Position="1" SubSeqMinOffset="0" SubSeqMaxOffset="0"><Sequence>D0CF11E0A1B11AE1</Sequence></SubSequence></ByteSequence>
 </InternalSignature></InternalSignatureCollection>
 <FileFormatCollection><FileFormat ID="1" Name="Test" PUID="fmt/1"><InternalSignatureID>1</InternalSignatureID><Extension>x</Extension></FileFormat>
  <FileFormat ID="2" Name="ZIP" PUID="x-fmt/263" MIMEType="application/zip"><InternalSignatureID>2</InternalSignatureID><HasPriorityOverFileFormatID>1</HasPriorityOverFileFormatID></FileFormat>
  <FileFormat ID="3" Name="OLE2" PUID="fmt/111"><InternalSignatureID>3</InternalSignatureID></FileFormat>
  <FileFormat ID="4" Name="Inside" PUID="fmt/4"/></FileFormatCollection>
</FFSignatureFile>"#;

/// The same for containers.
pub(crate) const CONTAINER: &str = r#"<?xml version="1.0"?>
<ContainerSignatureMapping schemaVersion="1.0" signatureVersion="40"><ContainerSignatures>
 <ContainerSignature Id="1" ContainerType="ZIP"><Files><File><Path>mimetype</Path><BinarySignatures><InternalSignatureCollection><InternalSignature ID="1">
  <ByteSequence Reference="BOFoffset"><SubSequence Position="1" SubSeqMinOffset="0" SubSeqMaxOffset="0"><Sequence>'appl' [69:6A] ('c'|'d') {0-4} [&amp;01]</Sequence></SubSequence></ByteSequence>
 </InternalSignature></InternalSignatureCollection></BinarySignatures></File></Files></ContainerSignature>
 <ContainerSignature Id="2" ContainerType="OLE2"><Files><File><Path>WordDocument</Path></File></Files></ContainerSignature>
</ContainerSignatures><FileFormatMappings><FileFormatMapping signatureId="1" Puid="fmt/4"/><FileFormatMapping signatureId="2" Puid="fmt/4"/></FileFormatMappings>
</ContainerSignatureMapping>"#;

/// As a file, with a name that the first byte chooses.
pub(crate) fn file(bytes: &[u8]) {
    const NAMES: [&str; 4] = ["a.doc", "a.zip", "a", "a.txt"];
    let signatures = Signatures::builtin();
    let name = NAMES[usize::from(bytes.first().copied().unwrap_or_default()) % NAMES.len()];
    let mut whole = signatures.identify_bytes(name, bytes);
    let mut stream = signatures.stream(name);
    for piece in bytes.chunks(4_099) {
        stream.feed(piece);
    }
    let mut random = bytes;
    let mut streamed = stream.finish(&mut random);
    (whole.bytes_read, streamed.bytes_read) = (0, 0);
    assert_eq!(whole, streamed);
    let explained = signatures.explain_bytes(name, bytes).identification;
    assert_eq!(explained.matches, whole.matches);
}

/// As a binary signature file.
pub(crate) fn binary_xml(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for container in [None, Some(CONTAINER)] {
        if let Ok(signatures) = Signatures::from_xml(&text, container) {
            used(&signatures);
        }
    }
}

/// As a container signature file.
pub(crate) fn container_xml(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(signatures) = Signatures::from_xml(BINARY, Some(&text)) {
        used(&signatures);
    }
}

/// As compiled signatures.
pub(crate) fn compiled(bytes: &[u8]) {
    if let Ok(signatures) = Signatures::from_compiled(bytes) {
        used(&signatures);
    }
}

fn used(signatures: &Signatures) {
    for (name, bytes) in [
        ("a.x", b"..ABDE12G...H...Y.Z".to_vec()),
        ("a.pdf", b"%PDF-1.4 and so on %%EOF".to_vec()),
        (
            "a.odt",
            build::zip(b"mimetype", b"application/vnd.oasis.opendocument.text"),
        ),
        ("a.doc", build::ole2("WordDocument", &[0; 4_200])),
    ] {
        let _ = signatures.explain_bytes(name, &bytes);
        let mut stream = signatures.stream(name);
        stream.feed(&bytes);
        let mut random = bytes.as_slice();
        let _ = stream.finish(&mut random);
    }
}
