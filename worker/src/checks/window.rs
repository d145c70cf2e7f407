//! The first and the last bytes of an object that went by.
//!
//! Always: no more than about three times [`KEPT`] is held, however long the object is. An object
//! of up to twice [`KEPT`] is held as a whole.

use std::collections::VecDeque;

use bytes::Bytes;

/// How much is kept of either end.
pub(super) const KEPT: u64 = 1024 * 1024;

/// Both ends of an object.
#[derive(Debug, Default)]
pub(super) struct Window {
    head: Vec<Bytes>,
    head_len: u64,
    /// Each with where it begins.
    tail: VecDeque<(u64, Bytes)>,
    size: u64,
}

impl Window {
    /// Takes the block that comes next.
    pub(super) fn push(&mut self, block: &Bytes) {
        let begin = self.size;
        self.size += block.len() as u64;
        if self.head_len < KEPT {
            self.head_len += block.len() as u64;
            self.head.push(block.clone());
            return;
        }
        self.tail.push_back((begin, block.clone()));
        while let Some((_, second)) = self.tail.get(1).map(|(begin, b)| (b.len(), *begin)) {
            if self.size - second < KEPT {
                break;
            }
            self.tail.pop_front();
        }
    }

    /// How many bytes went by.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Copies what is held at `offset` to the start of `buffer`; 0 if nothing is held there.
    pub(super) fn copy(&self, offset: u64, buffer: &mut [u8]) -> usize {
        let mut copied = 0;
        while copied < buffer.len() {
            let Some(more) = self.held(offset + copied as u64) else {
                break;
            };
            let count = more.len().min(buffer.len() - copied);
            buffer[copied..copied + count].copy_from_slice(&more[..count]);
            copied += count;
        }
        copied
    }

    fn held(&self, offset: u64) -> Option<&[u8]> {
        let mut begin = 0;
        for block in &self.head {
            if let Some(rest) = rest_of(begin, block, offset) {
                return Some(rest);
            }
            begin += block.len() as u64;
        }
        self.tail
            .iter()
            .find_map(|(begin, block)| rest_of(*begin, block, offset))
    }
}

fn rest_of(begin: u64, block: &Bytes, offset: u64) -> Option<&[u8]> {
    let skip = usize::try_from(offset.checked_sub(begin)?).ok()?;
    block.get(skip..).filter(|rest| !rest.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes whose value tells their place.
    fn block(begin: usize, length: usize) -> Bytes {
        (begin..begin + length)
            .map(|at| u8::try_from(at % 251).unwrap_or_default())
            .collect()
    }

    fn window(sizes: &[usize]) -> Window {
        let mut window = Window::default();
        let mut begin = 0;
        for size in sizes {
            window.push(&block(begin, *size));
            begin += size;
        }
        window
    }

    #[test]
    fn both_ends_are_held_and_the_middle_is_not() {
        const MIB: usize = 1024 * 1024;
        let window = window(&[MIB; 20]);
        for (offset, held) in [
            (0, MIB),
            (100, MIB),
            (MIB * 10, 0),
            (MIB * 19, MIB),
            (MIB * 20, 0),
        ] {
            let mut buffer = vec![0; MIB];
            let copied = window.copy(offset as u64, &mut buffer);
            assert_eq!(copied.min(held), held.min(MIB - offset % MIB), "{offset}");
            assert!(buffer[..copied] == block(offset, copied)[..], "{offset}");
        }
        let blocks = window.head.len() + window.tail.len();
        assert!(blocks <= 3, "{blocks} blocks are held");
    }

    #[test]
    fn a_small_object_is_held_as_a_whole() {
        let sizes = [1000, 1, 500_000, 600_000, 300_000, 7];
        let window = window(&sizes);
        let size: usize = sizes.iter().sum();
        let mut buffer = vec![0; size + 10];
        assert_eq!(window.size(), size as u64);
        assert_eq!(window.copy(0, &mut buffer), size);
        assert!(buffer[..size] == block(0, size)[..]);
    }
}
