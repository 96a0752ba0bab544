//! The sealed form of a file: header, chunks, nonces, associated data. No I/O.

use crate::FileError;
use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305,
    aead::{Aead, Generate, Nonce, Payload},
};
use sha2::{Digest, Sha256};
use std::{collections::BTreeMap, fmt, sync::Arc};

/// Plaintext bytes of a full chunk.
pub const CHUNK_BYTES: usize = 64 * 1024;
pub(crate) const TAG_BYTES: usize = 16;
pub(crate) const SEALED_CHUNK: u64 = (CHUNK_BYTES + TAG_BYTES) as u64;
pub(crate) const HEADER_BYTES: usize = 64;
const MAGIC: &[u8; 8] = b"TABIBF\x00\x01";
const KEY_ID_BYTES: usize = 32;
const SALT_BYTES: usize = 16;
const SALT_AT: usize = 8 + 1 + KEY_ID_BYTES + 4;

/// The keys by id, and the one that seals.
#[derive(Clone)]
pub(crate) struct Keys {
    active: Arc<str>,
    ciphers: Arc<BTreeMap<String, XChaCha20Poly1305>>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys")
            .field("active", &self.active)
            .finish_non_exhaustive()
    }
}

impl Keys {
    pub(crate) fn new(active: &str, raw: &BTreeMap<String, [u8; 32]>) -> Result<Self, FileError> {
        if !raw.contains_key(active) {
            return Err(FileError::Settings(
                "the active key is not among the keys".to_owned(),
            ));
        }
        if let Some(id) = raw
            .keys()
            .find(|id| id.is_empty() || id.len() > KEY_ID_BYTES)
        {
            return Err(FileError::Settings(format!(
                "key id {id:?} must have 1 to {KEY_ID_BYTES} bytes"
            )));
        }
        let ciphers = raw
            .iter()
            .map(|(id, key)| (id.clone(), XChaCha20Poly1305::new(key.into())))
            .collect();
        Ok(Self {
            active: active.into(),
            ciphers: Arc::new(ciphers),
        })
    }

    /// Whether there is a key beside the active one.
    pub(crate) fn has_older(&self) -> bool {
        self.ciphers.len() > 1
    }
}

/// Seals or opens the chunks of one file.
#[derive(Clone)]
pub(crate) struct FileCipher {
    cipher: XChaCha20Poly1305,
    header: [u8; HEADER_BYTES],
    /// SHA-256 over header and path: what every chunk of this file is bound to.
    binding: [u8; 32],
}

impl FileCipher {
    /// A new file at `path` under the active key.
    pub(crate) fn create(keys: &Keys, path: &str) -> Self {
        let mut header = [0_u8; HEADER_BYTES];
        header[..8].copy_from_slice(MAGIC);
        let id = keys.active.as_bytes();
        header[8] = u8::try_from(id.len()).expect("key ids are checked to be short");
        header[9..9 + id.len()].copy_from_slice(id);
        let size = u32::try_from(CHUNK_BYTES).expect("a constant");
        header[9 + KEY_ID_BYTES..SALT_AT].copy_from_slice(&size.to_be_bytes());
        let random = Nonce::<XChaCha20Poly1305>::generate();
        header[SALT_AT..SALT_AT + SALT_BYTES].copy_from_slice(&random[..SALT_BYTES]);
        Self {
            cipher: keys.ciphers[&*keys.active].clone(),
            binding: binding(&header, path),
            header,
        }
    }

    /// The file at `path` whose first bytes are `header`.
    pub(crate) fn read(keys: &Keys, path: &str, header: &[u8]) -> Result<Self, FileError> {
        let header: [u8; HEADER_BYTES] = header.try_into().map_err(|_| FileError::Damaged)?;
        let size = u32::try_from(CHUNK_BYTES)
            .expect("a constant")
            .to_be_bytes();
        let length = usize::from(header[8]);
        if header[..8] != *MAGIC
            || length == 0
            || length > KEY_ID_BYTES
            || header[9 + KEY_ID_BYTES..SALT_AT] != size
        {
            return Err(FileError::Damaged);
        }
        let id = std::str::from_utf8(&header[9..9 + length]).map_err(|_| FileError::Damaged)?;
        let cipher = keys.ciphers.get(id).ok_or(FileError::UnknownKey)?.clone();
        Ok(Self {
            cipher,
            binding: binding(&header, path),
            header,
        })
    }

    /// Whether the file rests under the key that seals new ones.
    pub(crate) fn is_active(&self, keys: &Keys) -> bool {
        let length = usize::from(self.header[8]);
        self.header.get(9..9 + length) == Some(keys.active.as_bytes())
    }

    pub(crate) fn header(&self) -> &[u8; HEADER_BYTES] {
        &self.header
    }

    /// Seals chunk `index`; `total` is the file's length when this is its last chunk.
    pub(crate) fn seal(&self, index: u64, total: Option<u64>, plain: &[u8]) -> Vec<u8> {
        self.cipher
            .encrypt(
                &self.nonce(index),
                Payload {
                    msg: plain,
                    aad: &self.aad(index, total),
                },
            )
            .expect("a chunk is far below the cipher's limit")
    }

    /// Opens chunk `index`; `total` as in [`FileCipher::seal`].
    pub(crate) fn open(
        &self,
        index: u64,
        total: Option<u64>,
        sealed: &[u8],
    ) -> Result<Vec<u8>, FileError> {
        self.cipher
            .decrypt(
                &self.nonce(index),
                Payload {
                    msg: sealed,
                    aad: &self.aad(index, total),
                },
            )
            .map_err(|_| FileError::Damaged)
    }

    fn nonce(&self, index: u64) -> Nonce<XChaCha20Poly1305> {
        let mut bytes = [0_u8; SALT_BYTES + 8];
        bytes[..SALT_BYTES].copy_from_slice(&self.header[SALT_AT..SALT_AT + SALT_BYTES]);
        bytes[SALT_BYTES..].copy_from_slice(&index.to_be_bytes());
        bytes.into()
    }

    fn aad(&self, index: u64, total: Option<u64>) -> [u8; 48] {
        let mut aad = [0_u8; 48];
        aad[..32].copy_from_slice(&self.binding);
        aad[32..40].copy_from_slice(&index.to_be_bytes());
        aad[40..].copy_from_slice(&total.unwrap_or(u64::MAX).to_be_bytes());
        aad
    }
}

fn binding(header: &[u8], path: &str) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(header);
    hash.update(path.as_bytes());
    hash.finalize().into()
}

/// Where the chunks of an object of `object_bytes` lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Layout {
    /// Length of the plaintext.
    pub(crate) length: u64,
    /// Number of chunks.
    pub(crate) chunks: u64,
}

impl Layout {
    /// # Errors
    /// [`FileError::Damaged`] when no file has that size.
    pub(crate) fn of_object(object_bytes: u64) -> Result<Self, FileError> {
        let body = object_bytes
            .checked_sub(HEADER_BYTES as u64)
            .ok_or(FileError::Damaged)?;
        let chunks = body.div_ceil(SEALED_CHUNK);
        let last = body
            .checked_sub(chunks.saturating_sub(1) * SEALED_CHUNK)
            .ok_or(FileError::Damaged)?;
        if chunks == 0 || last <= TAG_BYTES as u64 {
            return Err(FileError::Damaged);
        }
        Ok(Self {
            length: body - chunks * TAG_BYTES as u64,
            chunks,
        })
    }

    /// Where chunk `index` lies in the object.
    pub(crate) fn object_range(self, index: u64) -> std::ops::Range<u64> {
        let start = HEADER_BYTES as u64 + index * SEALED_CHUNK;
        let plain = if index + 1 == self.chunks {
            self.length - index * CHUNK_BYTES as u64
        } else {
            CHUNK_BYTES as u64
        };
        start..start + plain + TAG_BYTES as u64
    }

    /// The `total` of [`FileCipher::seal`] for chunk `index`.
    pub(crate) fn total_for(self, index: u64) -> Option<u64> {
        (index + 1 == self.chunks).then_some(self.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn layout_follows_from_the_objects_size(length in 1_u64..1_000_000) {
            let chunks = length.div_ceil(CHUNK_BYTES as u64);
            let layout = Layout::of_object(HEADER_BYTES as u64 + length + chunks * TAG_BYTES as u64).unwrap();
            prop_assert_eq!(layout, Layout { length, chunks });
            prop_assert_eq!(layout.object_range(0).start, HEADER_BYTES as u64);
            prop_assert_eq!(layout.object_range(chunks - 1).end, HEADER_BYTES as u64 + length + chunks * 16);
        }
    }

    #[test]
    fn impossible_sizes_are_damaged() {
        for size in [0, 63, 64, 80, 64 + SEALED_CHUNK + 16] {
            assert!(
                matches!(Layout::of_object(size), Err(FileError::Damaged)),
                "{size}"
            );
        }
    }
}
