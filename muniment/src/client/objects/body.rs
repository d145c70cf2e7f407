//! A slice of a file as the body of a request.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::time::SystemTime;

use bytes::Bytes;
use futures::StreamExt as _;
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio::sync::watch;
use tokio_util::io::ReaderStream;

use super::StoreError;
use crate::failure::io_reason;

/// What is read in one go: many small files cost one trip to a blocking thread each.
const AT_ONCE: u64 = 512 * 1024;
const CHUNK: usize = 128 * 1024;

/// Some bytes of a file that was looked at before.
#[derive(Debug, Clone)]
pub(crate) struct Slice {
    /// The file.
    pub(crate) file: PathBuf,
    /// Where the bytes begin.
    pub(crate) offset: u64,
    /// How many there are.
    pub(crate) length: u64,
    /// How long the whole file was when it was looked at.
    pub(crate) file_size: u64,
    /// When the file had last been changed then.
    pub(crate) modified: Option<SystemTime>,
}

impl Slice {
    /// The bytes: at once if they are few, else as they are sent. `taken` is told of each piece that the connection
    /// takes, and dropped when there is no more to tell.
    pub(super) async fn body(&self, taken: watch::Sender<()>) -> Result<reqwest::Body, StoreError> {
        if self.length <= AT_ONCE {
            let slice = self.clone();
            return tokio::task::spawn_blocking(move || slice.read())
                .await
                .map_err(|_| StoreError::Unreadable("reading was ended".to_owned()))?
                .map(reqwest::Body::from);
        }
        let opened = async {
            let mut file = tokio::fs::File::open(&self.file).await?;
            file.seek(SeekFrom::Start(self.offset)).await?;
            Ok(file.take(self.length))
        };
        let reader = opened.await.map_err(|error| unreadable(&error))?;
        let pieces = ReaderStream::with_capacity(reader, CHUNK);
        Ok(reqwest::Body::wrap_stream(
            pieces.inspect(move |_| taken.send_replace(())),
        ))
    }

    fn read(&self) -> Result<Bytes, StoreError> {
        let length = usize::try_from(self.length).unwrap_or(usize::MAX);
        let mut bytes = Vec::with_capacity(length);
        let read = || {
            let mut file = File::open(&self.file)?;
            if self.offset > 0 {
                file.seek(SeekFrom::Start(self.offset))?;
            }
            file.take(self.length).read_to_end(&mut bytes)
        };
        match { read }() {
            Ok(read) if read == length => Ok(bytes.into()),
            Ok(read) => Err(StoreError::FileChanged(format!(
                "{read} bytes instead of {length}"
            ))),
            Err(error) => Err(unreadable(&error)),
        }
    }

    /// How the file differs from when it was looked at, as far as can be seen without reading it.
    pub(crate) async fn changed(&self) -> Option<String> {
        let metadata = match tokio::fs::metadata(&self.file).await {
            Ok(metadata) => metadata,
            Err(error) => return Some(io_reason(&error)),
        };
        if metadata.len() != self.file_size {
            return Some(format!(
                "{} bytes, before {}",
                metadata.len(),
                self.file_size
            ));
        }
        let modified = metadata.modified().ok();
        (modified != self.modified).then(|| "it was written to".to_owned())
    }
}

fn unreadable(error: &std::io::Error) -> StoreError {
    StoreError::Unreadable(io_reason(error))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may")]
mod tests {
    use super::*;

    fn slice(file: PathBuf, offset: u64, length: u64) -> Slice {
        let metadata = std::fs::metadata(&file).unwrap();
        Slice {
            file,
            offset,
            length,
            file_size: metadata.len(),
            modified: metadata.modified().ok(),
        }
    }

    #[test]
    fn a_slice_is_exactly_its_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a");
        std::fs::write(&file, b"0123456789").unwrap();
        let bytes = |offset, length| slice(file.clone(), offset, length).read().unwrap();
        assert_eq!(&bytes(0, 10)[..], b"0123456789");
        assert_eq!(&bytes(3, 4)[..], b"3456");
        assert_eq!(&bytes(10, 0)[..], b"");
    }

    #[test]
    fn a_file_that_became_shorter_has_changed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a");
        std::fs::write(&file, b"0123").unwrap();
        let short = slice(file, 0, 10).read();
        assert_eq!(
            short.err(),
            Some(StoreError::FileChanged("4 bytes instead of 10".to_owned()))
        );
    }

    #[tokio::test]
    async fn a_file_that_grew_or_went_away_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a");
        std::fs::write(&file, b"0123").unwrap();
        let slice = slice(file.clone(), 0, 4);
        assert_eq!(slice.changed().await, None);
        std::fs::write(&file, b"01234").unwrap();
        assert_eq!(slice.changed().await.unwrap(), "5 bytes, before 4");
        std::fs::remove_file(&file).unwrap();
        assert_eq!(slice.changed().await.unwrap(), "not found");
    }
}
