//! Sealed files in a bucket: the real S3 client against a store that checks signatures, parts and ranges.
#![allow(clippy::unwrap_used)]

use std::{collections::BTreeMap, convert::Infallible};

use bytes::Bytes;
use file_store::*;
use futures_util::{TryStreamExt as _, stream};
use provider_simulators::{
    Options, Running,
    s3::{ACCESS_KEY_ID, Behaviour, SECRET_ACCESS_KEY},
    spawn,
};
use service_config::{SealingSettings, Secret};

const KEY: &str = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";

fn store(simulators: &Running, secret: &str) -> FileStore {
    let settings = FileStoreSettings {
        backend: Backend::S3,
        root: String::new(),
        s3: Some(S3Settings {
            bucket: "clinic".to_owned(),
            endpoint: Some(format!("{}/s3", simulators.base_url)),
            region: "us-east-1".to_owned(),
            access_key_id: Secret::new(ACCESS_KEY_ID),
            secret_access_key: Secret::new(secret),
            allow_http: true,
        }),
    };
    let sealing = SealingSettings {
        active_key_id: "k1".to_owned(),
        keys: BTreeMap::from([("k1".to_owned(), Secret::new(KEY))]),
    };
    FileStore::new(&settings, &sealing).unwrap()
}

fn pdf(length: usize) -> Vec<u8> {
    let mut bytes = b"%PDF-1.7\n".to_vec();
    bytes.extend(
        (bytes.len()..length).map(|i| u8::try_from((i * 31 + i / 65_536 * 7) % 251).unwrap()),
    );
    bytes
}

async fn read(store: &FileStore, path: &str, range: Option<std::ops::Range<u64>>) -> Vec<u8> {
    let (_, bytes) = store.get(path, range).await.unwrap();
    bytes.try_collect::<Vec<_>>().await.unwrap().concat()
}

#[tokio::test]
async fn a_file_of_many_parts_goes_in_sealed_and_comes_out_by_range() {
    let simulators = spawn(Options::default()).await.unwrap();
    let store = store(&simulators, SECRET_ACCESS_KEY);
    // A little more than one part of 8 MiB.
    let content = pdf(8_500_000);
    let pieces = content
        .chunks(70_001)
        .map(|piece| Ok::<_, Infallible>(Bytes::copy_from_slice(piece)))
        .collect::<Vec<_>>();
    let stored = store
        .put_stream(
            "reports/one.pdf",
            Kind::Report,
            50_000_000,
            stream::iter(pieces),
        )
        .await
        .unwrap();
    assert_eq!(stored.length, 8_500_000);
    let objects = simulators.state.s3.objects();
    assert_eq!(
        objects.keys().collect::<Vec<_>>(),
        ["clinic/reports/one.pdf"]
    );
    let raw = &objects["clinic/reports/one.pdf"];
    assert!(raw.len() > content.len(), "sealed");
    assert!(
        !raw.windows(8).any(|window| window == b"%PDF-1.7"),
        "nothing rests in clear"
    );
    assert_eq!(simulators.state.s3.open_uploads(), 0);
    assert!(
        simulators
            .state
            .s3
            .seen()
            .contains("CompleteMultipartUpload")
    );

    for range in [
        0..10_u64,
        65_530..65_545,
        5_242_870..5_242_900,
        8_499_999..8_500_000,
    ] {
        let wanted =
            &content[usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap()];
        assert!(
            read(&store, "reports/one.pdf", Some(range.clone())).await == wanted,
            "{range:?}"
        );
    }
    assert!(matches!(
        store
            .put_bytes("reports/one.pdf", Kind::Report, pdf(100).into())
            .await,
        Err(FileError::Exists)
    ));
    store.delete("reports/one.pdf").await.unwrap();
    store.delete("reports/one.pdf").await.unwrap();
    assert!(matches!(
        store.open("reports/one.pdf").await,
        Err(FileError::NotFound)
    ));
}

#[tokio::test]
async fn what_breaks_off_leaves_nothing_in_the_bucket() {
    let simulators = spawn(Options::default()).await.unwrap();
    let store = store(&simulators, SECRET_ACCESS_KEY);
    let broken = stream::iter([
        Ok(Bytes::from(pdf(300_000))),
        Err(std::io::Error::other("the sender hung up")),
    ]);
    let failed = store
        .put_stream("a.pdf", Kind::Report, 50_000_000, broken)
        .await;
    assert!(matches!(failed, Err(FileError::Interrupted)), "{failed:?}");
    let large = stream::iter([Ok::<_, Infallible>(Bytes::from(pdf(300_000)))]);
    let failed = store
        .put_stream("b.pdf", Kind::Report, 100_000, large)
        .await;
    assert!(
        matches!(failed, Err(FileError::TooLarge { .. })),
        "{failed:?}"
    );
    assert!(simulators.state.s3.objects().is_empty());
    assert_eq!(
        simulators.state.s3.open_uploads(),
        0,
        "given up, not left to be paid for"
    );
    assert!(simulators.state.s3.seen().contains("AbortMultipartUpload"));
}

#[tokio::test]
async fn a_busy_bucket_is_asked_again_and_a_wrong_key_is_refused() {
    let simulators = spawn(Options::default()).await.unwrap();
    let good = store(&simulators, SECRET_ACCESS_KEY);
    simulators.state.s3.set_behaviour(Behaviour {
        slow_down: 2,
        ..Behaviour::default()
    });
    good.put_bytes("a.pdf", Kind::Report, pdf(1_000).into())
        .await
        .unwrap();
    assert_eq!(read(&good, "a.pdf", None).await, pdf(1_000));

    let stranger = store(&simulators, "another-secret");
    let error = stranger.open("a.pdf").await.unwrap_err();
    assert!(!matches!(error, FileError::NotFound), "{error:?}");
    assert!(!format!("{error:?} {error}").contains("another-secret"));
    assert!(
        stranger
            .put_bytes("b.pdf", Kind::Report, pdf(1_000).into())
            .await
            .is_err()
    );
    simulators.state.s3.set_behaviour(Behaviour {
        read_only: true,
        ..Behaviour::default()
    });
    assert!(
        good.put_bytes("c.pdf", Kind::Report, pdf(1_000).into())
            .await
            .is_err()
    );
    assert_eq!(read(&good, "a.pdf", None).await, pdf(1_000));
    assert_eq!(simulators.state.s3.objects().len(), 1);
}

#[tokio::test]
async fn a_changed_byte_in_the_bucket_is_found() {
    let simulators = spawn(Options::default()).await.unwrap();
    let store = store(&simulators, SECRET_ACCESS_KEY);
    let stored = store
        .put_bytes("a.pdf", Kind::Report, pdf(200_000).into())
        .await
        .unwrap();
    let whole = simulators.state.s3.objects()["clinic/a.pdf"].to_vec();
    for at in [3, 100, 70_000, whole.len() - 1] {
        let mut changed = whole.clone();
        changed[at] ^= 1;
        simulators.state.s3.put("clinic/a.pdf", changed.into());
        assert!(
            store.verify("a.pdf", &stored.sha256).await.is_err(),
            "byte {at}"
        );
    }
    simulators.state.s3.put("clinic/a.pdf", whole.into());
    store.verify("a.pdf", &stored.sha256).await.unwrap();
}
