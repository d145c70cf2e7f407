//! The model as numbers and strings: writing.

use crate::{
    model::{
        Alternatives, ByteSequence, ContainerKind, ContainerSignature, Format, Model, Reference,
        Signature,
    },
    pattern::{Atom, Pattern},
};

pub(super) fn write(model: &Model) -> Vec<u8> {
    let mut out = Writer::default();
    out.text(&model.version);
    out.text(&model.created);
    out.text(&model.container_version);
    out.list(&model.formats, Writer::format);
    out.list(&model.signatures, Writer::signature);
    out.list(&model.containers, Writer::container);
    out.bytes
}

#[derive(Default)]
struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    fn number(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bytes.push(value.to_le_bytes()[0] | 0x80);
            value >>= 7;
        }
        self.bytes.push(value.to_le_bytes()[0]);
    }

    fn run(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.bytes.extend_from_slice(bytes);
    }

    fn text(&mut self, text: &str) {
        self.run(text.as_bytes());
    }

    fn list<T>(&mut self, items: &[T], mut write: impl FnMut(&mut Self, &T)) {
        self.number(items.len() as u64);
        for item in items {
            write(self, item);
        }
    }

    fn format(&mut self, format: &Format) {
        self.number(format.id.into());
        self.text(&format.puid);
        self.text(&format.name);
        self.text(&format.version);
        self.text(&format.mime);
        self.list(&format.extensions, |out, extension| out.text(extension));
        self.list(&format.priority_over, |out, id| out.number((*id).into()));
        self.list(&format.signatures, |out, id| out.number((*id).into()));
    }

    fn signature(&mut self, signature: &Signature) {
        self.number(signature.id.into());
        self.list(&signature.sequences, Self::sequence);
    }

    fn sequence(&mut self, sequence: &ByteSequence) {
        self.number(match sequence.reference {
            Reference::Start => 0,
            Reference::End => 1,
            Reference::Anywhere => 2,
        });
        self.list(&sequence.subsequences, |out, sub| {
            out.number(sub.min.into());
            out.number(sub.max.into());
            out.pattern(&sub.anchor);
            out.list(&sub.left, Self::alternatives);
            out.list(&sub.right, Self::alternatives);
        });
    }

    fn alternatives(&mut self, level: &Alternatives) {
        self.list(level, |out, fragment| {
            out.number(fragment.min.into());
            out.number(fragment.max.into());
            out.pattern(&fragment.pattern);
        });
    }

    fn pattern(&mut self, pattern: &Pattern) {
        let atoms: Vec<Atom> = pattern.atoms().collect();
        let exact: Vec<u8> = atoms
            .iter()
            .map(|atom| match atom {
                Atom::Byte(byte) => *byte,
                Atom::Set(_) => 0,
            })
            .collect();
        self.run(&exact);
        let sets: Vec<_> = (0_u64..)
            .zip(&atoms)
            .filter_map(|(at, atom)| match atom {
                Atom::Byte(_) => None,
                Atom::Set(set) => Some((at, *set)),
            })
            .collect();
        self.list(&sets, |out, (at, set)| {
            out.number(*at);
            for word in set.0 {
                out.bytes.extend_from_slice(&word.to_le_bytes());
            }
        });
    }

    fn container(&mut self, container: &ContainerSignature) {
        self.number(container.id.into());
        self.number(match container.kind {
            ContainerKind::Ole2 => 0,
            ContainerKind::Zip => 1,
        });
        self.list(&container.puids, |out, puid| out.text(puid));
        self.list(&container.files, |out, file| {
            out.text(&file.path);
            out.list(&file.signatures, Self::signature);
        });
    }
}
