//! Small containers, built byte by byte.

fn four(length: usize) -> [u8; 4] {
    u32::try_from(length).expect("short").to_le_bytes()
}

/// A ZIP file with one stored entry.
pub(crate) fn zip(name: &[u8], content: &[u8]) -> Vec<u8> {
    zip_with_flags(name, content, 0)
}

/// A ZIP file with one stored entry that has these general purpose flags.
pub(crate) fn zip_with_flags(name: &[u8], content: &[u8], flags: u8) -> Vec<u8> {
    let sizes = [four(content.len()), four(content.len())].concat();
    let mut file = b"PK\x03\x04\x14\0".to_vec();
    file.extend_from_slice(&[flags, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    file.extend_from_slice(&sizes);
    file.extend_from_slice(&four(name.len()));
    file.extend_from_slice(name);
    file.extend_from_slice(content);
    let start = file.len();
    file.extend_from_slice(b"PK\x01\x02\x14\0\x14\0");
    file.extend_from_slice(&[flags, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    file.extend_from_slice(&sizes);
    file.extend_from_slice(&four(name.len()));
    file.extend_from_slice(&[0; 14]);
    file.extend_from_slice(name);
    let length = file.len() - start;
    file.extend_from_slice(b"PK\x05\x06\0\0\0\0\x01\0\x01\0");
    file.extend_from_slice(&four(length));
    file.extend_from_slice(&four(start));
    file.extend_from_slice(&[0; 2]);
    file
}

/// A compound file with one stream of at least 4096 bytes.
pub(crate) fn ole2(name: &str, content: &[u8]) -> Vec<u8> {
    const SECTOR: usize = 512;
    let sectors = content.len().div_ceil(SECTOR);
    let mut file = vec![0xFF; SECTOR * 3];
    let mut put = |at: usize, bytes: &[u8]| file[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1");
    put(8, &[0; 16]);
    put(24, &[0x3E, 0, 3, 0, 0xFE, 0xFF, 9, 0, 6, 0]);
    put(34, &[0; 10]);
    put(44, &four(1));
    put(48, &four(1));
    put(52, &[0; 4]);
    put(56, &four(4096));
    put(
        60,
        &[
            0xFE, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0, 0xFE, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0,
        ],
    );
    put(76, &four(0));
    put(SECTOR, &[0xFD, 0xFF, 0xFF, 0xFF, 0xFE, 0xFF, 0xFF, 0xFF]);
    for sector in 0..sectors {
        let next = if sector + 1 == sectors {
            [0xFE, 0xFF, 0xFF, 0xFF]
        } else {
            four(sector + 3)
        };
        put(SECTOR + 8 + sector * 4, &next);
    }
    let mut node =
        |at: usize, name: &str, kind: u8, child: [u8; 4], start: [u8; 4], size: usize| {
            let wide: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
            put(at, &[0; 128]);
            put(at, &wide);
            put(
                at + 64,
                &[u8::try_from(wide.len() + 2).expect("short"), 0, kind, 1],
            );
            put(at + 68, &[0xFF; 8]);
            put(at + 76, &child);
            put(at + 116, &start);
            put(at + 120, &four(size));
        };
    node(
        SECTOR * 2,
        "Root Entry",
        5,
        four(1),
        [0xFE, 0xFF, 0xFF, 0xFF],
        0,
    );
    node(SECTOR * 2 + 128, name, 2, [0xFF; 4], four(2), content.len());
    file.extend_from_slice(content);
    file.resize((3 + sectors) * SECTOR, 0);
    file
}
