//! Sealed files on a real disk: whole, by range, cut, changed, swapped, moved, interrupted.
#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use file_store::*;
use futures_util::{TryStreamExt as _, stream};
use service_config::{SealingSettings, Secret};
use std::{path::PathBuf, time::Duration};

struct Disk {
    folder: tempfile::TempDir,
    store: FileStore,
}

fn sealing(active: &str, keys: &[(&str, u8)]) -> SealingSettings {
    use std::fmt::Write as _;
    let base64 = |byte: u8| {
        // 32 equal bytes in base64: groups of three equal bytes, then two.
        let group = |n: usize| {
            let bits = (0..3).fold(0_u32, |acc, i| {
                acc << 8 | if i < n { u32::from(byte) } else { 0 }
            });
            let table = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
            (0..4)
                .map(|i| table[(bits >> (18 - 6 * i) & 63) as usize] as char)
                .collect::<String>()
        };
        let mut text = String::new();
        (0..10).for_each(|_| write!(text, "{}", group(3)).unwrap());
        text + &group(2)[..3] + "="
    };
    SealingSettings {
        active_key_id: active.into(),
        keys: keys
            .iter()
            .map(|(id, byte)| ((*id).to_owned(), Secret::new(base64(*byte))))
            .collect(),
    }
}

fn settings(folder: &tempfile::TempDir) -> FileStoreSettings {
    FileStoreSettings {
        backend: Backend::Local,
        root: folder.path().join("files").display().to_string(),
        s3: None,
    }
}

fn disk() -> Disk {
    let folder = tempfile::tempdir().unwrap();
    let store = FileStore::new(&settings(&folder), &sealing("k1", &[("k1", 7)])).unwrap();
    Disk { folder, store }
}

impl Disk {
    fn object(&self, path: &str) -> PathBuf {
        self.folder.path().join("files").join(path)
    }
    async fn read(
        &self,
        path: &str,
        range: Option<std::ops::Range<u64>>,
    ) -> Result<Vec<u8>, FileError> {
        let (_, bytes) = self.store.get(path, range).await?;
        Ok(bytes.try_collect::<Vec<_>>().await?.concat())
    }
}

/// A PDF of `length` bytes without repetition between chunks.
fn pdf(length: usize) -> Vec<u8> {
    let mut bytes = b"%PDF-1.7\n".to_vec();
    bytes.extend(
        (bytes.len()..length.max(10))
            .map(|i| u8::try_from((i * 31 + i / 65_536 * 7) % 251).unwrap()),
    );
    bytes.truncate(length);
    bytes
}

const CHUNK: usize = CHUNK_BYTES;

#[tokio::test]
async fn what_goes_in_comes_out_at_every_edge() {
    let disk = disk();
    for length in [9, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 10 * CHUNK + 17] {
        let content = pdf(length);
        let path = format!("r/{length}.pdf");
        let stored = disk
            .store
            .put_bytes(&path, Kind::Report, content.clone().into())
            .await
            .unwrap();
        assert_eq!(
            (stored.length, stored.detected.mime),
            (length as u64, "application/pdf")
        );
        assert_eq!(disk.read(&path, None).await.unwrap(), content, "{length}");
        disk.store.verify(&path, &stored.sha256).await.unwrap();
        assert!(matches!(
            disk.store.verify(&path, &"0".repeat(64)).await,
            Err(FileError::Damaged)
        ));
        let raw = std::fs::read(disk.object(&path)).unwrap();
        assert!(
            !raw.windows(8).any(|w| w == b"%PDF-1.7"),
            "nothing rests in clear"
        );
    }
}

#[tokio::test]
async fn ranges_give_exactly_their_bytes() {
    let disk = disk();
    let content = pdf(9 * CHUNK + 100);
    disk.store
        .put_bytes("a.pdf", Kind::Report, content.clone().into())
        .await
        .unwrap();
    let end = content.len();
    for (from, to) in [
        (0, 1),
        (0, end),
        (CHUNK - 1, CHUNK + 1),
        (CHUNK, 2 * CHUNK),
        (5, 8 * CHUNK),
        (end - 1, end),
        (9 * CHUNK, end),
    ] {
        let part = disk
            .read("a.pdf", Some(from as u64..to as u64))
            .await
            .unwrap();
        assert_eq!(part, content[from..to], "{from}..{to}");
    }
    for (from, to) in [(0, 0), (7, 5), (0, end + 1), (end, end + 1)] {
        let result = disk.read("a.pdf", Some(from as u64..to as u64)).await;
        assert!(
            matches!(result, Err(FileError::Range { length }) if length == end as u64),
            "{from}..{to}"
        );
    }
}

#[tokio::test]
async fn a_cut_file_does_not_open() {
    let disk = disk();
    disk.store
        .put_bytes("a.pdf", Kind::Report, pdf(3 * CHUNK + 5).into())
        .await
        .unwrap();
    let whole = std::fs::read(disk.object("a.pdf")).unwrap();
    let sealed = CHUNK + 16;
    for keep in [
        0,
        10,
        64,
        64 + sealed,
        64 + 2 * sealed,
        64 + 3 * sealed,
        whole.len() - 1,
    ] {
        std::fs::write(disk.object("a.pdf"), &whole[..keep]).unwrap();
        assert!(
            matches!(disk.store.open("a.pdf").await, Err(FileError::Damaged)),
            "{keep}"
        );
    }
    let mut longer = whole.clone();
    longer.push(0);
    std::fs::write(disk.object("a.pdf"), longer).unwrap();
    assert!(matches!(
        disk.store.open("a.pdf").await,
        Err(FileError::Damaged)
    ));
}

#[tokio::test]
async fn a_changed_byte_anywhere_is_found() {
    let disk = disk();
    let stored = disk
        .store
        .put_bytes("a.pdf", Kind::Report, pdf(2 * CHUNK + 5).into())
        .await
        .unwrap();
    let whole = std::fs::read(disk.object("a.pdf")).unwrap();
    for at in [0, 8, 50, 64, 64 + CHUNK, 64 + CHUNK + 16, whole.len() - 1] {
        let mut bad = whole.clone();
        bad[at] ^= 1;
        std::fs::write(disk.object("a.pdf"), bad).unwrap();
        assert!(
            disk.store.verify("a.pdf", &stored.sha256).await.is_err(),
            "{at}"
        );
    }
}

#[tokio::test]
async fn swapped_chunks_and_moved_files_do_not_open() {
    let disk = disk();
    disk.store
        .put_bytes("a.pdf", Kind::Report, pdf(3 * CHUNK + 5).into())
        .await
        .unwrap();
    disk.store
        .put_bytes("b.pdf", Kind::Report, pdf(3 * CHUNK + 5).into())
        .await
        .unwrap();
    let a = std::fs::read(disk.object("a.pdf")).unwrap();
    let b = std::fs::read(disk.object("b.pdf")).unwrap();
    let (one, two) = (64..64 + CHUNK + 16, 64 + CHUNK + 16..64 + 2 * (CHUNK + 16));
    let mut swapped = a.clone();
    swapped[one.clone()].copy_from_slice(&a[two.clone()]);
    swapped[two].copy_from_slice(&a[one.clone()]);
    std::fs::write(disk.object("a.pdf"), &swapped).unwrap();
    assert!(matches!(
        disk.read("a.pdf", None).await,
        Err(FileError::Damaged)
    ));
    let mut foreign = a.clone();
    foreign[one.clone()].copy_from_slice(&b[one]);
    std::fs::write(disk.object("a.pdf"), &foreign).unwrap();
    assert!(matches!(
        disk.read("a.pdf", Some(0..10)).await,
        Err(FileError::Damaged)
    ));
    std::fs::write(disk.object("a.pdf"), &b).unwrap();
    assert!(
        matches!(disk.store.open("a.pdf").await, Err(FileError::Damaged)),
        "b's bytes under a's name"
    );
}

#[tokio::test]
async fn too_large_empty_wrong_type_and_interrupted_leave_nothing() {
    let disk = disk();
    let put = |content: Vec<Result<Bytes, ()>>, max| {
        disk.store
            .put_stream("r/x.pdf", Kind::Report, max, stream::iter(content))
    };
    let parts = || {
        pdf(3 * CHUNK)
            .chunks(1000)
            .map(|c| Ok(Bytes::copy_from_slice(c)))
            .collect::<Vec<_>>()
    };
    let too_large = put(parts(), 3 * CHUNK as u64 - 1).await;
    assert!(
        matches!(too_large, Err(FileError::TooLarge { max_bytes }) if max_bytes == 3 * CHUNK as u64 - 1)
    );
    assert!(matches!(put(vec![], 10).await, Err(FileError::Empty)));
    let docx = put(
        vec![Ok(Bytes::from_static(b"PK\x03\x04 word/document.xml"))],
        1000,
    )
    .await;
    assert!(matches!(docx, Err(FileError::TypeRefused { .. })));
    let mut broken = parts();
    broken.push(Err(()));
    assert!(matches!(
        put(broken, u64::MAX).await,
        Err(FileError::Interrupted)
    ));
    assert!(matches!(
        disk.store.open("r/x.pdf").await,
        Err(FileError::NotFound)
    ));
    let left: Vec<_> = std::fs::read_dir(disk.folder.path().join("files/r"))
        .map(|d| d.collect())
        .unwrap_or_default();
    assert!(left.is_empty(), "{left:?}");
    assert_eq!(
        put(parts(), 3 * CHUNK as u64).await.unwrap().length,
        3 * CHUNK as u64
    );
    assert!(matches!(
        put(parts(), u64::MAX).await,
        Err(FileError::Exists)
    ));
}

#[tokio::test]
async fn keys_rotate_and_old_files_still_open() {
    let disk = disk();
    disk.store
        .put_bytes("old.pdf", Kind::Report, pdf(100).into())
        .await
        .unwrap();
    let both = FileStore::new(
        &settings(&disk.folder),
        &sealing("k2", &[("k1", 7), ("k2", 9)]),
    )
    .unwrap();
    both.put_bytes("new.pdf", Kind::Report, pdf(100).into())
        .await
        .unwrap();
    assert_eq!(both.open("old.pdf").await.unwrap().length(), 100);
    assert!(matches!(
        disk.store.open("new.pdf").await,
        Err(FileError::UnknownKey)
    ));
    let wrong = FileStore::new(&settings(&disk.folder), &sealing("k1", &[("k1", 8)])).unwrap();
    assert!(matches!(
        wrong.open("old.pdf").await,
        Err(FileError::Damaged)
    ));
}

#[tokio::test]
async fn files_are_sealed_anew_and_the_old_key_can_go() {
    let disk = disk();
    let contents = [pdf(100), pdf(CHUNK), pdf(3 * CHUNK + 17)];
    for (index, content) in contents.iter().enumerate() {
        disk.store
            .put_bytes(
                &format!("r/{index}.pdf"),
                Kind::Report,
                content.clone().into(),
            )
            .await
            .unwrap();
    }
    assert_eq!(disk.store.reseal().await.unwrap(), Resealed::default());
    disk.store
        .put_bytes("r/broken.pdf", Kind::Report, pdf(2 * CHUNK).into())
        .await
        .unwrap();
    let broken = disk.object("r/broken.pdf");
    let mut bytes = std::fs::read(&broken).unwrap();
    bytes[100] ^= 1;
    std::fs::write(&broken, &bytes).unwrap();

    let both = FileStore::new(
        &settings(&disk.folder),
        &sealing("k2", &[("k1", 7), ("k2", 9)]),
    )
    .unwrap();
    let first = both.reseal().await.unwrap();
    assert_eq!(first, Resealed { done: 3, failed: 1 });
    assert_eq!(
        std::fs::read(&broken).unwrap(),
        bytes,
        "a damaged file is left as it is"
    );
    std::fs::remove_file(&broken).unwrap();
    assert_eq!(both.reseal().await.unwrap(), Resealed::default());

    let alone = FileStore::new(&settings(&disk.folder), &sealing("k2", &[("k2", 9)])).unwrap();
    for (index, content) in contents.iter().enumerate() {
        let (_, bytes) = alone.get(&format!("r/{index}.pdf"), None).await.unwrap();
        assert_eq!(
            &bytes.try_collect::<Vec<_>>().await.unwrap().concat(),
            content
        );
    }
    assert!(matches!(
        disk.store.open("r/0.pdf").await,
        Err(FileError::UnknownKey)
    ));
}

#[tokio::test]
async fn paths_cannot_leave_the_store() {
    let disk = disk();
    for bad in [
        "../x.pdf", "/x.pdf", "a//b.pdf", "a/./b", ".hidden", "a b.pdf", "a%2fb", "", "a\\b", "x#1",
    ] {
        let result = disk
            .store
            .put_bytes(bad, Kind::Report, pdf(100).into())
            .await;
        assert!(matches!(result, Err(FileError::Path)), "{bad:?}");
    }
}

#[tokio::test]
async fn deleting_twice_is_fine_and_sweeping_removes_only_staged_files() {
    let disk = disk();
    disk.store
        .put_bytes("r/a.pdf", Kind::Report, pdf(100).into())
        .await
        .unwrap();
    std::fs::write(disk.object("r/b.pdf#1"), b"half").unwrap();
    assert_eq!(
        disk.store.sweep(Duration::from_secs(3600)).await.unwrap(),
        0
    );
    assert_eq!(disk.store.sweep(Duration::ZERO).await.unwrap(), 1);
    assert!(disk.store.open("r/a.pdf").await.is_ok());
    disk.store.delete("r/a.pdf").await.unwrap();
    disk.store.delete("r/a.pdf").await.unwrap();
    assert!(matches!(
        disk.store.open("r/a.pdf").await,
        Err(FileError::NotFound)
    ));
}
