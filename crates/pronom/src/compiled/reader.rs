//! The model as numbers and strings: reading.
//!
//! Always: a list is never taken to be longer than the bytes that are left.

use crate::{
    model::{
        Alternatives, ByteSequence, ContainerFile, ContainerKind, ContainerSignature, Format,
        Fragment, MAX_SPAN, Model, Reference, Signature, SubSequence,
    },
    pattern::{Atom, ByteSet, Pattern},
};

/// `None` if the bytes are damaged.
pub(super) fn read(bytes: &[u8]) -> Option<Model> {
    let mut reader = Reader { rest: bytes };
    let model = Model {
        version: reader.text()?,
        created: reader.text()?,
        container_version: reader.text()?,
        formats: reader.list(Reader::format)?,
        signatures: reader.list(Reader::signature)?,
        containers: reader.list(Reader::container)?,
    };
    reader.rest.is_empty().then_some(model)
}

/// No offset or gap is larger than what the XML may have.
const MAX_OFFSET: u32 = 1 << 21;

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<u32> {
        let mut value = 0_u32;
        for shift in (0..32).step_by(7) {
            let byte = self.take(1)?[0];
            value |= u32::from(byte & 0x7F).checked_shl(shift)?;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    fn offset(&mut self) -> Option<u32> {
        self.number().filter(|offset| *offset <= MAX_OFFSET)
    }

    /// From where to where something may be.
    fn offsets(&mut self) -> Option<(u32, u32)> {
        let (min, max) = (self.offset()?, self.offset()?);
        (min <= max).then_some((min, max))
    }

    fn run(&mut self) -> Option<&'a [u8]> {
        let count = self.number()?;
        self.take(count as usize)
    }

    fn text(&mut self) -> Option<String> {
        String::from_utf8(self.run()?.to_vec()).ok()
    }

    fn list<T>(&mut self, mut read: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let count = self.number()? as usize;
        if count > self.rest.len() {
            return None;
        }
        (0..count).map(|_| read(self)).collect()
    }

    fn format(&mut self) -> Option<Format> {
        Some(Format {
            id: self.number()?,
            puid: self.text()?,
            name: self.text()?,
            version: self.text()?,
            mime: self.text()?,
            extensions: self.list(Self::text)?,
            priority_over: self.list(Self::number)?,
            signatures: self.list(Self::number)?,
        })
    }

    fn signature(&mut self) -> Option<Signature> {
        let id = self.number()?;
        let sequences = self.list(Self::sequence)?;
        (!sequences.is_empty()).then_some(Signature { id, sequences })
    }

    fn sequence(&mut self) -> Option<ByteSequence> {
        let reference = match self.number()? {
            0 => Reference::Start,
            1 => Reference::End,
            2 => Reference::Anywhere,
            _ => return None,
        };
        let subsequences = self.list(|reader| {
            let (min, max) = reader.offsets()?;
            Some(SubSequence {
                min,
                max,
                anchor: reader.pattern()?,
                left: reader.list(Self::alternatives)?,
                right: reader.list(Self::alternatives)?,
            })
        })?;
        let fits = subsequences.iter().all(|sub| sub.span() <= MAX_SPAN);
        (fits && !subsequences.is_empty()).then_some(ByteSequence {
            reference,
            subsequences,
        })
    }

    fn alternatives(&mut self) -> Option<Alternatives> {
        let level = self.list(|reader| {
            let (min, max) = reader.offsets()?;
            Some(Fragment {
                min,
                max,
                pattern: reader.pattern()?,
            })
        })?;
        (!level.is_empty()).then_some(level)
    }

    fn pattern(&mut self) -> Option<Pattern> {
        let exact = self.run()?;
        let mut atoms: Vec<Atom> = exact.iter().copied().map(Atom::Byte).collect();
        let sets = self.list(|reader| {
            let at = reader.number()?;
            let mut words = [0; 4];
            for word in &mut words {
                *word = u64::from_le_bytes(*reader.take(8)?.first_chunk()?);
            }
            Some((at as usize, ByteSet(words)))
        })?;
        for (at, set) in sets {
            *atoms.get_mut(at)? = Atom::Set(set);
        }
        Pattern::new(&atoms).filter(|pattern| pattern.len() > 0)
    }

    fn container(&mut self) -> Option<ContainerSignature> {
        Some(ContainerSignature {
            id: self.number()?,
            kind: match self.number()? {
                0 => ContainerKind::Ole2,
                1 => ContainerKind::Zip,
                _ => return None,
            },
            puids: self.list(Self::text)?,
            files: self.list(|reader| {
                Some(ContainerFile {
                    path: reader.text()?,
                    signatures: reader.list(Self::signature)?,
                })
            })?,
        })
    }
}
