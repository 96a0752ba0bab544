//! Sealing anew what rests under an older key, so that the key can be retired.

use bytes::BytesMut;
use futures_util::TryStreamExt as _;
use object_store::{ObjectStore as _, ObjectStoreExt as _, WriteMultipart, path::Path};

use crate::{
    FileError, FileStore,
    format::{FileCipher, HEADER_BYTES},
    store::PART_BYTES,
    write::seal_all,
};

/// What a pass over the store came to.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Resealed {
    /// Files that rest under the active key now and did not before.
    pub done: usize,
    /// Files that could not be opened or written; each was told of in the log.
    pub failed: usize,
}

impl FileStore {
    /// Seals anew every file that rests under another key than the active one. A file is replaced whole, after each of its
    /// chunks was opened; a download that began before breaks off and succeeds when it is asked for again. Nothing is looked
    /// at while one key alone is known.
    ///
    /// # Errors
    /// When the store cannot be listed.
    pub async fn reseal(&self) -> Result<Resealed, FileError> {
        let mut found = Resealed::default();
        if !self.keys.has_older() {
            return Ok(found);
        }
        let mut objects = self.objects.list(None);
        while let Some(object) = objects.try_next().await? {
            match self.reseal_one(&object.location).await {
                Ok(true) => found.done += 1,
                // Deleted since it was listed.
                Ok(false) | Err(FileError::NotFound) => {}
                Err(error) => {
                    found.failed += 1;
                    tracing::error!(
                        alarm = "sealing.unreadable",
                        file = %object.location,
                        %error,
                        "a sealed file cannot be sealed anew: is its key still listed?"
                    );
                }
            }
        }
        if found.done > 0 {
            tracing::info!(files = found.done, "files sealed anew");
        }
        Ok(found)
    }

    /// Whether the file had to be sealed anew.
    async fn reseal_one(&self, at: &Path) -> Result<bool, FileError> {
        let header = self.objects.get_range(at, 0..HEADER_BYTES as u64).await?;
        if FileCipher::read(&self.keys, at.as_ref(), &header)?.is_active(&self.keys) {
            return Ok(false);
        }
        let (length, content) = self.get(at.as_ref(), None).await?;
        let upload = self.objects.put_multipart(at).await?;
        let mut writer = WriteMultipart::new_with_chunk_size(upload, PART_BYTES);
        let cipher = FileCipher::create(&self.keys, at.as_ref());
        let content = std::pin::pin!(content);
        match seal_all(&cipher, BytesMut::new(), content, length, &mut writer).await {
            Ok((sealed, _)) if sealed == length => {
                writer.finish().await?;
                Ok(true)
            }
            ended => {
                if let Err(cause) = writer.abort().await {
                    tracing::warn!(error = %cause, "an upload could not be cleaned up");
                }
                Err(ended.err().unwrap_or(FileError::Damaged))
            }
        }
    }
}
