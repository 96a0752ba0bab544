//! Writing, reading, deleting and verifying sealed files.

use crate::{
    Backend, Detected, FileError, FileStoreSettings, Kind, SNIFF_BYTES, detect,
    format::{FileCipher, HEADER_BYTES, Keys, Layout},
    read::OpenFile,
    write::{seal_all, sweep_folder},
};
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _, TryStreamExt as _, stream, stream::BoxStream};
use object_store::{
    ObjectStore, ObjectStoreExt as _, WriteMultipart, aws::AmazonS3Builder, local::LocalFileSystem,
    path::Path,
};
use service_config::SealingSettings;
use sha2::{Digest as _, Sha256};
use std::{collections::BTreeMap, ops::Range, path::PathBuf, pin::pin, sync::Arc, time::Duration};

/// Parts of this size go to the store; S3 wants at least 5 MiB.
pub(crate) const PART_BYTES: usize = 8 * 1024 * 1024;
/// Plaintext on its way out.
pub type ByteStream = BoxStream<'static, Result<Bytes, FileError>>;

/// Sealed files in one store; cheap to clone.
#[derive(Debug, Clone)]
pub struct FileStore {
    pub(crate) objects: Arc<dyn ObjectStore>,
    pub(crate) keys: Keys,
    root: Option<PathBuf>,
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredFile {
    /// Where it lies; give it to [`FileStore::open`].
    pub path: String,
    /// Length of the plaintext.
    pub length: u64,
    /// SHA-256 of the plaintext, in hexadecimal.
    pub sha256: String,
    /// Its type, told by its content.
    pub detected: Detected,
}

impl FileStore {
    /// The store that the settings name. A local folder is made when absent.
    ///
    /// # Errors
    /// [`FileError::Settings`] when folder, bucket or keys cannot be used.
    pub fn new(settings: &FileStoreSettings, sealing: &SealingSettings) -> Result<Self, FileError> {
        let keys = Keys::new(
            &sealing.active_key_id,
            &sealing.raw_keys().map_err(FileError::Settings)?,
        )?;
        let broken = |e: object_store::Error| FileError::Settings(e.to_string());
        match settings.backend {
            Backend::Local => {
                std::fs::create_dir_all(&settings.root)
                    .map_err(|e| FileError::Settings(format!("files.root: {e}")))?;
                // fsync: a file whose row is committed must survive a power cut.
                let objects = LocalFileSystem::new_with_prefix(&settings.root)
                    .map_err(broken)?
                    .with_fsync(true);
                Ok(Self {
                    objects: Arc::new(objects),
                    keys,
                    root: Some(PathBuf::from(&settings.root)),
                })
            }
            Backend::S3 => {
                let s3 = settings
                    .s3
                    .as_ref()
                    .ok_or_else(|| FileError::Settings("files.s3 is missing".to_owned()))?;
                let mut builder = AmazonS3Builder::new()
                    .with_bucket_name(&s3.bucket)
                    .with_region(&s3.region)
                    .with_access_key_id(s3.access_key_id.expose())
                    .with_secret_access_key(s3.secret_access_key.expose())
                    .with_allow_http(s3.allow_http);
                if let Some(endpoint) = &s3.endpoint {
                    builder = builder.with_endpoint(endpoint);
                }
                Ok(Self {
                    objects: Arc::new(builder.build().map_err(broken)?),
                    keys,
                    root: None,
                })
            }
        }
    }

    /// A store over `objects`, for tests and other backends.
    ///
    /// # Errors
    /// [`FileError::Settings`] when the active key is not among the keys.
    pub fn over(
        objects: Arc<dyn ObjectStore>,
        active: &str,
        keys: &BTreeMap<String, [u8; 32]>,
    ) -> Result<Self, FileError> {
        Ok(Self {
            objects,
            keys: Keys::new(active, keys)?,
            root: None,
        })
    }

    /// Writes `content` to `path` (segments of letters, digits, `.`, `_`, `-`). The file appears whole when the whole stream was read,
    /// sealed and stored; any error leaves nothing.
    ///
    /// # Errors
    /// [`FileError`]: path taken or not plain, empty, larger than `max_bytes`, of a refused type, interrupted, or the store failed.
    pub async fn put_stream<S, E>(
        &self,
        path: &str,
        kind: Kind,
        max_bytes: u64,
        content: S,
    ) -> Result<StoredFile, FileError>
    where
        S: Stream<Item = Result<Bytes, E>>,
    {
        let at = plain_path(path)?;
        match self.objects.head(&at).await {
            Ok(_) => return Err(FileError::Exists),
            Err(object_store::Error::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        // Some streams must not be asked again after their end.
        let mut content = pin!(content.fuse());
        let mut head = BytesMut::new();
        while head.len() < SNIFF_BYTES {
            match content.next().await {
                Some(Ok(bytes)) => head.extend_from_slice(&bytes),
                Some(Err(_)) => return Err(FileError::Interrupted),
                None => break,
            }
        }
        if head.is_empty() {
            return Err(FileError::Empty);
        }
        let detected = match detect(&head) {
            Some(found) if kind.allows(found.mime) => found,
            found => {
                return Err(FileError::TypeRefused {
                    detected: found.map(|d| d.mime),
                });
            }
        };
        let upload = self.objects.put_multipart(&at).await?;
        let mut writer = WriteMultipart::new_with_chunk_size(upload, PART_BYTES);
        let cipher = FileCipher::create(&self.keys, path);
        match seal_all(&cipher, head, content, max_bytes, &mut writer).await {
            Ok((length, sha256)) => {
                writer.finish().await?;
                Ok(StoredFile {
                    path: path.to_owned(),
                    length,
                    sha256,
                    detected,
                })
            }
            Err(error) => {
                if let Err(cause) = writer.abort().await {
                    tracing::warn!(error = %cause, "an upload could not be cleaned up");
                }
                Err(error)
            }
        }
    }

    /// [`FileStore::put_stream`] for content that is in memory.
    ///
    /// # Errors
    /// As [`FileStore::put_stream`].
    pub async fn put_bytes(
        &self,
        path: &str,
        kind: Kind,
        content: Bytes,
    ) -> Result<StoredFile, FileError> {
        let once = stream::once(async { Ok::<_, std::convert::Infallible>(content) });
        self.put_stream(path, kind, kind.max_bytes(), once).await
    }

    /// Opens `path`: reads header and last chunk, which proves the file's length.
    ///
    /// # Errors
    /// [`FileError::NotFound`], [`FileError::Damaged`], [`FileError::UnknownKey`], or the store failed.
    pub async fn open(&self, path: &str) -> Result<OpenFile, FileError> {
        let at = plain_path(path)?;
        let layout = Layout::of_object(self.objects.head(&at).await?.size)?;
        let last = layout.object_range(layout.chunks - 1);
        let parts = self
            .objects
            .get_ranges(&at, &[0..HEADER_BYTES as u64, last])
            .await?;
        let [header, last] = parts.as_slice() else {
            return Err(FileError::Damaged);
        };
        let cipher = FileCipher::read(&self.keys, path, header)?;
        let tail = cipher.open(layout.chunks - 1, Some(layout.length), last)?;
        Ok(OpenFile {
            objects: Arc::clone(&self.objects),
            at,
            cipher,
            layout,
            tail: tail.into(),
        })
    }

    /// The length of `path` and its bytes in `range` (all of them when `None`), streamed.
    ///
    /// # Errors
    /// As [`FileStore::open`], and [`FileError::Range`].
    pub async fn get(
        &self,
        path: &str,
        range: Option<Range<u64>>,
    ) -> Result<(u64, ByteStream), FileError> {
        let file = self.open(path).await?;
        let length = file.length();
        Ok((length, file.stream(range.unwrap_or(0..length))?))
    }

    /// Removes `path`; removing what is not there is fine.
    ///
    /// # Errors
    /// When the store failed.
    pub async fn delete(&self, path: &str) -> Result<(), FileError> {
        match self.objects.delete(&plain_path(path)?).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Reads the whole file and compares its SHA-256 (hexadecimal).
    ///
    /// # Errors
    /// [`FileError::Damaged`] when any chunk or the digest is wrong; else as [`FileStore::open`].
    pub async fn verify(&self, path: &str, sha256: &str) -> Result<(), FileError> {
        match self.compare(path, sha256).await {
            // It may have been sealed anew between two chunks.
            Err(FileError::Damaged) => self.compare(path, sha256).await,
            result => result,
        }
    }

    async fn compare(&self, path: &str, sha256: &str) -> Result<(), FileError> {
        let (_, mut bytes) = self.get(path, None).await?;
        let mut hash = Sha256::new();
        while let Some(part) = bytes.try_next().await? {
            hash.update(&part);
        }
        if hex::encode(hash.finalize()).eq_ignore_ascii_case(sha256) {
            Ok(())
        } else {
            Err(FileError::Damaged)
        }
    }

    /// Removes what crashed uploads left in a local folder: staged files (`name#1`) not written to for `age`. Buckets do this themselves
    /// by a lifecycle rule for unfinished multipart uploads. Answers how many were removed.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub async fn sweep(&self, age: Duration) -> std::io::Result<usize> {
        let Some(root) = self.root.clone() else {
            return Ok(0);
        };
        tokio::task::spawn_blocking(move || sweep_folder(&root, age))
            .await
            .map_err(std::io::Error::other)?
    }
}

fn plain_path(path: &str) -> Result<Path, FileError> {
    let plain = |s: &str| {
        !s.is_empty()
            && !s.starts_with('.')
            && s.bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
    };
    if path.len() > 512 || !path.split('/').all(plain) {
        return Err(FileError::Path);
    }
    Path::parse(path).map_err(|_| FileError::Path)
}
