//! Reading an opened file.

use std::{ops::Range, sync::Arc};

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use object_store::{ObjectStore, ObjectStoreExt as _, path::Path};

use crate::{
    ByteStream, FileError,
    format::{CHUNK_BYTES, FileCipher, Layout},
};

/// Chunks fetched with one call when a file is read through.
const READ_AHEAD: u64 = 8;

/// An opened file.
pub struct OpenFile {
    pub(crate) objects: Arc<dyn ObjectStore>,
    pub(crate) at: Path,
    pub(crate) cipher: FileCipher,
    pub(crate) layout: Layout,
    pub(crate) tail: Bytes,
}

impl OpenFile {
    /// Length of the plaintext.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.layout.length
    }

    /// The bytes in `range`, chunk by chunk.
    ///
    /// # Errors
    /// [`FileError::Range`] when the range is empty or goes over the end.
    pub fn stream(self, range: Range<u64>) -> Result<ByteStream, FileError> {
        if range.start >= range.end || range.end > self.layout.length {
            return Err(FileError::Range {
                length: self.layout.length,
            });
        }
        let chunk = CHUNK_BYTES as u64;
        let (first, last) = (range.start / chunk, (range.end - 1) / chunk);
        let batches = stream::try_unfold((self, first), move |(file, next)| async move {
            if next > last {
                return Ok::<_, FileError>(None);
            }
            let until = last.min(next + READ_AHEAD - 1);
            let plain = file.read(next, until).await?;
            Ok(Some((plain, (file, until + 1))))
        });
        let cut = batches
            .map_ok(|parts| stream::iter(parts.into_iter().map(Ok)))
            .try_flatten()
            .map_ok(move |(index, plain): (u64, Bytes)| {
                let from = range.start.saturating_sub(index * chunk);
                let to = (range.end - index * chunk).min(plain.len() as u64);
                plain.slice(to_usize(from)..to_usize(to))
            });
        Ok(cut.boxed())
    }

    async fn read(&self, from: u64, to: u64) -> Result<Vec<(u64, Bytes)>, FileError> {
        let tail = self.layout.chunks - 1;
        let mut out = Vec::new();
        // The last chunk was read when the file was opened.
        let stored_to = if to == tail {
            to.checked_sub(1).filter(|t| *t >= from)
        } else {
            Some(to)
        };
        if let Some(stored_to) = stored_to {
            let base = self.layout.object_range(from).start;
            let sealed = self
                .objects
                .get_range(&self.at, base..self.layout.object_range(stored_to).end)
                .await?;
            for index in from..=stored_to {
                let at = self.layout.object_range(index);
                let part = sealed
                    .get(to_usize(at.start - base)..to_usize(at.end - base))
                    .ok_or(FileError::Damaged)?;
                out.push((
                    index,
                    self.cipher
                        .open(index, self.layout.total_for(index), part)?
                        .into(),
                ));
            }
        }
        if to == tail {
            out.push((tail, self.tail.clone()));
        }
        Ok(out)
    }
}

impl std::fmt::Debug for OpenFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpenFile")
            .field("layout", &self.layout)
            .finish_non_exhaustive()
    }
}

fn to_usize(n: u64) -> usize {
    usize::try_from(n).expect("offsets inside a read batch fit")
}
