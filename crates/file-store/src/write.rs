//! Sealing an upload, and removing what crashed uploads left.

use std::{pin::Pin, time::Duration};

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _};
use object_store::WriteMultipart;
use sha2::{Digest as _, Sha256};

use crate::{
    FileError,
    format::{CHUNK_BYTES, FileCipher},
};

/// Seals head and content chunk by chunk into `writer`; one chunk is held back until it is known whether it is the last.
pub(crate) async fn seal_all<S, E>(
    cipher: &FileCipher,
    head: BytesMut,
    mut content: Pin<&mut S>,
    max_bytes: u64,
    writer: &mut WriteMultipart,
) -> Result<(u64, String), FileError>
where
    S: Stream<Item = Result<Bytes, E>>,
{
    writer.write(cipher.header());
    let mut hash = Sha256::new();
    let (mut buffer, mut index, mut length) = (head, 0_u64, 0_u64);
    loop {
        while buffer.len() > CHUNK_BYTES {
            let plain = buffer.split_to(CHUNK_BYTES);
            length += plain.len() as u64;
            hash.update(&plain);
            writer.write(&cipher.seal(index, None, &plain));
            index += 1;
            writer.wait_for_capacity(2).await?;
        }
        if length + buffer.len() as u64 > max_bytes {
            return Err(FileError::TooLarge { max_bytes });
        }
        match content.next().await {
            Some(Ok(bytes)) => buffer.extend_from_slice(&bytes),
            Some(Err(_)) => return Err(FileError::Interrupted),
            None => break,
        }
    }
    length += buffer.len() as u64;
    hash.update(&buffer);
    writer.write(&cipher.seal(index, Some(length), &buffer));
    Ok((length, hex::encode(hash.finalize())))
}

/// Removes staged files that were not written to for `age`.
pub(crate) fn sweep_folder(folder: &std::path::Path, age: Duration) -> std::io::Result<usize> {
    let mut removed = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            removed += sweep_folder(&entry.path(), age)?;
        } else if kind.is_file()
            && entry
                .file_name()
                .to_str()
                .and_then(|n| n.rsplit_once('#'))
                .is_some_and(|(_, n)| n.parse::<u32>().is_ok())
            && entry
                .metadata()?
                .modified()?
                .elapsed()
                .is_ok_and(|idle| idle >= age)
        {
            std::fs::remove_file(entry.path())?;
            removed += 1;
        }
    }
    Ok(removed)
}
