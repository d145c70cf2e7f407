//! The formats that hold other things: ZIP, PNG, PDF. Nothing is compressed, so the bytes do not
//! depend on anybody's compressor.

/// An entry of a ZIP: its name and its bytes.
pub(crate) type Entry<'a> = (&'a str, &'a [u8]);

/// A ZIP with stored entries, all of 1 January 2026.
pub(crate) fn zip(entries: &[Entry<'_>]) -> Vec<u8> {
    const DATE: u16 = (2026 - 1980) << 9 | 1 << 5 | 1;
    const VERSION: u16 = 20;
    let (mut file, mut directory) = (Vec::new(), Vec::new());
    for (name, bytes) in entries {
        let offset = small(file.len());
        let mut common = Vec::new();
        for number in [VERSION, 0, 0, 0, DATE] {
            common.extend(number.to_le_bytes());
        }
        for number in [crc32(bytes), small(bytes.len()), small(bytes.len())] {
            common.extend(number.to_le_bytes());
        }
        common.extend(small(name.len()).to_le_bytes());
        file.extend(b"PK\x03\x04");
        file.extend(&common);
        file.extend(name.as_bytes());
        file.extend(*bytes);
        directory.extend(b"PK\x01\x02");
        directory.extend(VERSION.to_le_bytes());
        directory.extend(common);
        directory.extend([0; 10]);
        directory.extend(offset.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let count = u16::try_from(entries.len()).unwrap_or(u16::MAX);
    let start = small(file.len());
    file.extend(&directory);
    file.extend(b"PK\x05\x06\0\0\0\0");
    file.extend(count.to_le_bytes());
    file.extend(count.to_le_bytes());
    file.extend(small(directory.len()).to_le_bytes());
    file.extend(start.to_le_bytes());
    file.extend([0; 2]);
    file
}

/// A grey PNG of 8 bits; one byte of `pixels` each.
pub(crate) fn png(width: usize, pixels: &[u8]) -> Vec<u8> {
    let height = pixels.len() / width;
    let mut header = Vec::new();
    header.extend(small(width).to_be_bytes());
    header.extend(small(height).to_be_bytes());
    header.extend([8, 0, 0, 0, 0]);
    let rows: Vec<u8> = pixels
        .chunks(width)
        .flat_map(|row| std::iter::once(&0).chain(row))
        .copied()
        .collect();
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    for (kind, data) in [
        (b"IHDR", header),
        (b"IDAT", zlib(&rows)),
        (b"IEND", Vec::new()),
    ] {
        file.extend(small(data.len()).to_be_bytes());
        let chunk = [&kind[..], &data].concat();
        file.extend(&chunk);
        file.extend(crc32(&chunk).to_be_bytes());
    }
    file
}

/// A PDF 1.4 of one page with one line of text.
pub(crate) fn pdf(text: &str) -> Vec<u8> {
    let content = format!("BT /F1 14 Tf 72 740 Td ({text}) Tj ET");
    let objects = [
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_owned(),
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R \
         /Resources << /Font << /F1 5 0 R >> >> >>"
            .to_owned(),
        format!(
            "<< /Length {} >>\nstream\n{content}\nendstream",
            content.len()
        ),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Times-Roman >>".to_owned(),
    ];
    let mut file = String::from("%PDF-1.4\n");
    let mut table = String::from("0000000000 65535 f \n");
    for (number, object) in (1..).zip(&objects) {
        table.push_str(&format!("{:010} 00000 n \n", file.len()));
        file.push_str(&format!("{number} 0 obj\n{object}\nendobj\n"));
    }
    let start = file.len();
    let count = objects.len() + 1;
    file.push_str(&format!(
        "xref\n0 {count}\n{table}trailer\n<< /Size {count} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n"
    ));
    file.into_bytes()
}

/// One stored block: enough for what is below 64 KiB.
fn zlib(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    let mut stream = vec![0x78, 0x01, 0x01];
    stream.extend(length.to_le_bytes());
    stream.extend((!length).to_le_bytes());
    stream.extend(bytes);
    stream.extend(adler32(bytes).to_be_bytes());
    stream
}

fn adler32(bytes: &[u8]) -> u32 {
    let (low, high) = bytes.iter().fold((1_u32, 0_u32), |(low, high), byte| {
        let low = (low + u32::from(*byte)) % 65_521;
        (low, (high + low) % 65_521)
    });
    high << 16 | low
}

fn crc32(bytes: &[u8]) -> u32 {
    let crc = bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            crc >> 1 ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
        })
    });
    !crc
}

/// A length that fits: the samples are tiny.
fn small(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
