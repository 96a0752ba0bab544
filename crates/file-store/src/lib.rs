//! Sealed files over an object store: reports, audio, chat attachments.
//!
//! What always holds: nothing rests in clear; a file is whole or absent (written aside, then renamed); every 64 KB chunk is sealed with
//! its place, the file's path and, for the last one, the file's length in the associated data, so that a changed, swapped,
//! moved or cut file does not open; its type is what its content says, never what the client says.
//!
//! Layout: a 64-byte header (magic, key id, chunk size, 16 random bytes), then chunks of at most 64 KB, each followed by its 16-byte
//! tag. The length of the plaintext follows from the object's size and is proven by the last chunk, because an upload's length
//! is known only at its end. XChaCha20-Poly1305; a chunk's nonce is the header's random bytes and the chunk's index.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod error;
mod format;
mod kind;
mod read;
mod reseal;
mod settings;
mod store;
mod write;

pub use error::FileError;
pub use format::CHUNK_BYTES;
pub use kind::{Detected, Kind, SNIFF_BYTES, detect};
pub use read::OpenFile;
pub use reseal::Resealed;
pub use settings::{Backend, FileStoreSettings, S3Settings};
pub use store::{ByteStream, FileStore, StoredFile};
