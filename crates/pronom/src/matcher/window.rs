//! A part of a file that is at hand, with the place that it has in the file.

/// Bytes of a file beginning at `base`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) base: u64,
    /// The size of the file, once it is known.
    pub(crate) size: Option<u64>,
}

impl<'a> Window<'a> {
    /// A file that is at hand as a whole.
    pub(crate) fn whole(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            base: 0,
            size: Some(bytes.len() as u64),
        }
    }

    pub(crate) fn end(&self) -> u64 {
        self.base + self.bytes.len() as u64
    }

    /// Whether nothing of the file comes after the window.
    pub(crate) fn is_last(&self) -> bool {
        self.size.is_some_and(|size| self.end() >= size)
    }

    /// Where in the window `position` is: its begin for what lies before, its end for what lies after.
    pub(crate) fn index(&self, position: u64) -> usize {
        let offset = position.saturating_sub(self.base);
        usize::try_from(offset).map_or(self.bytes.len(), |at| at.min(self.bytes.len()))
    }

    pub(crate) fn position(&self, index: usize) -> u64 {
        self.base + index as u64
    }
}
