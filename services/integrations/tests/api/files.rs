//! Uploads, downloads, tickets, the scanner and the sweep.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use chrono::TimeDelta;
use common_types::ClinicRole;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use uuid::Uuid;

use crate::{
    outgoing_support::{call, call_as, count},
    support::{Setup, World, answer},
};

/// What every scanner must find: harmless by agreement (EICAR). Written in two parts, lest a scanner finds this file.
fn eicar() -> Vec<u8> {
    [
        r"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD-",
        "ANTIVIRUS-TEST-FILE!$H+H*",
    ]
    .concat()
    .into_bytes()
}

fn pdf(length: usize) -> Vec<u8> {
    let mut bytes = b"%PDF-1.7\n".to_vec();
    bytes.extend((0..length).map(|n| u8::try_from(n % 251).unwrap()));
    bytes
}

async fn world(more: Vec<(&'static str, String)>) -> (World, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = vec![("files.root", folder.path().display().to_string())];
    settings.extend(more);
    (
        World::with(Setup {
            settings,
            ..Setup::default()
        })
        .await,
        folder,
    )
}

async fn upload(world: &World, name: &str, bytes: Vec<u8>) -> (u16, Value) {
    let form = Form::new().part("file", Part::bytes(bytes).file_name(name.to_owned()));
    let token = world.staff(ClinicRole::Secretary);
    answer(
        world
            .service
            .post("/api/integrations/files/")
            .bearer_auth(token)
            .multipart(form),
    )
    .await
}

fn stored(folder: &tempfile::TempDir) -> Vec<Vec<u8>> {
    fn walk(folder: &std::path::Path, found: &mut Vec<Vec<u8>>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found)
            } else {
                found.push(std::fs::read(path).unwrap())
            }
        }
    }
    let mut found = Vec::new();
    walk(folder.path(), &mut found);
    found
}

#[tokio::test]
async fn i22_a_file_is_typed_by_content_sealed_and_streamed_with_range() {
    let (world, folder) = world(vec![]).await;
    let bytes = pdf(200_000);
    let (status, made) = upload(&world, "../گزارش.exe", bytes.clone()).await;
    assert_eq!(status, 201, "{made}");
    assert_eq!(
        (&made["content_type"], &made["kind"], &made["file_name"]),
        (
            &json!("application/pdf"),
            &json!("document"),
            &json!("گزارش.exe")
        )
    );
    assert_eq!(made["sha256"], hex::encode(Sha256::digest(&bytes)));
    assert_eq!(
        (&made["size_bytes"], &made["scan_state"]),
        (&json!(bytes.len()), &json!("unscanned"))
    );
    let at_rest = stored(&folder);
    assert_eq!(at_rest.len(), 1);
    assert!(
        !at_rest[0].windows(8).any(|part| part == b"%PDF-1.7"),
        "sealed at rest"
    );
    let path = format!(
        "/api/integrations/files/{}/content/",
        made["id"].as_str().unwrap()
    );
    let get = || {
        world
            .service
            .get(&path)
            .bearer_auth(world.staff(ClinicRole::Doctor))
    };
    let whole = get().send().await.unwrap();
    assert_eq!(whole.headers()["x-content-type-options"], "nosniff");
    assert!(
        whole.headers()["content-disposition"]
            .to_str()
            .unwrap()
            .starts_with("attachment")
    );
    assert_eq!(whole.bytes().await.unwrap(), bytes);
    let part = get()
        .header("range", "bytes=65530-131080")
        .send()
        .await
        .unwrap();
    assert_eq!(
        (
            part.status().as_u16(),
            part.headers()["content-range"].to_str().unwrap()
        ),
        (206, "bytes 65530-131080/200009")
    );
    assert_eq!(part.bytes().await.unwrap(), &bytes[65_530..=131_080]);
    assert_eq!(
        get()
            .header("range", "bytes=200009-")
            .send()
            .await
            .unwrap()
            .status(),
        416
    );
    let (_, list) = call(
        &world,
        "GET",
        "files/?kind=document&search=گزارش",
        json!({}),
    )
    .await;
    assert_eq!(
        (&list["count"], list["results"][0].get("storage_key")),
        (&json!(1), None)
    );
    assert_eq!(count(&world, "SELECT count(*) AS count FROM audit_entries WHERE action = 'integrations.file_downloaded'").await, 3);
}

#[tokio::test]
async fn i22_types_and_sizes_are_refused_by_kind() {
    let (world, folder) = world(vec![]).await;
    let m4a = [b"\0\0\0\x20ftypM4A ".as_slice(), &[0; 64]].concat();
    let wav = [b"RIFF\x24\0\0\0WAVEfmt ".as_slice(), &[0; 64]].concat();
    let doc = [
        &[0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1][..],
        &[0; 600],
    ]
    .concat();
    for (bytes, kind) in [
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec(), "document"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF".to_vec(), "document"),
        (b"ID3\x03\0\0\0\0\0\0".to_vec(), "audio"),
        (b"OggS\0\x02\0\0\0\0\0\0\0\0".to_vec(), "audio"),
        (wav.clone(), "audio"),
        (m4a, "audio"),
    ] {
        let (status, made) = upload(&world, "x", bytes).await;
        assert_eq!((status, &made["kind"]), (201, &json!(kind)), "{made}");
    }
    let kept = stored(&folder).len();
    for bytes in [
        b"MZ\x90\0".to_vec(),
        b"plain text".to_vec(),
        b"GIF89a\x01\0\x01\0".to_vec(),
        b"<html></html>".to_vec(),
        doc[..4].to_vec(),
    ] {
        let (status, refused) = upload(&world, "x.pdf", bytes).await;
        assert!(status == 400 && refused["file"].is_array(), "{refused}");
    }
    assert_eq!(upload(&world, "x.pdf", Vec::new()).await.0, 400);
    let (status, refused) = upload(&world, "x.pdf", pdf(10 * 1024 * 1024)).await;
    assert!(
        status == 400 && refused["file"][0].as_str().unwrap().contains("10"),
        "{refused}"
    );
    let long = [wav, vec![0; 11 * 1024 * 1024]].concat();
    assert_eq!(
        upload(&world, "x.wav", long).await.0,
        201,
        "sound may have 25 MB"
    );
    assert_eq!(
        stored(&folder).len(),
        kept + 1,
        "nothing refused is left in the store"
    );
    assert_eq!(
        count(&world, "SELECT count(*) AS count FROM file_leftovers").await,
        0
    );
}

#[tokio::test]
async fn i22_files_belong_to_their_organisation_and_tickets_work_once() {
    let (world, _folder) = world(vec![]).await;
    let bytes = pdf(1_000);
    let (_, made) = upload(&world, "x.pdf", bytes.clone()).await;
    let id = made["id"].as_str().unwrap();
    let stranger = world.token(|claims| {
        claims.org = Some(Uuid::now_v7());
        claims.clinic_role = Some(ClinicRole::Admin);
    });
    for (verb, path) in [
        ("GET", format!("files/{id}/")),
        ("GET", format!("files/{id}/content/")),
        ("POST", format!("files/{id}/ticket/")),
        ("DELETE", format!("files/{id}/")),
    ] {
        assert_eq!(
            call_as(&world, &stranger, verb, &path, json!({})).await.0,
            404,
            "{verb} {path}"
        );
        let nobody = world.token(|_| ());
        assert_eq!(
            call_as(&world, &nobody, verb, &path, json!({})).await.0,
            403,
            "{verb} {path}"
        );
    }
    let ticket = async || {
        let (status, made) = call(&world, "POST", &format!("files/{id}/ticket/"), json!({})).await;
        assert_eq!(status, 201, "{made}");
        made["url"].as_str().unwrap().to_owned()
    };
    let url = ticket().await;
    let first = world.service.get(&url).send().await.unwrap();
    assert_eq!(first.status(), 200);
    assert_eq!(first.bytes().await.unwrap(), bytes);
    assert_eq!(
        world.service.get(&url).send().await.unwrap().status(),
        404,
        "once"
    );
    let url = ticket().await;
    let tries = (0..20).map(|_| world.service.get(&url).send());
    let good = futures_util::future::join_all(tries)
        .await
        .into_iter()
        .filter(|a| a.as_ref().unwrap().status() == 200)
        .count();
    assert_eq!(good, 1, "once, also in parallel");
    let url = ticket().await;
    let changed = url.replace("tickets/", "tickets/A");
    assert_eq!(
        world.service.get(&changed).send().await.unwrap().status(),
        404
    );
    world.service.clock.advance(TimeDelta::seconds(300));
    assert_eq!(
        world.service.get(&url).send().await.unwrap().status(),
        404,
        "five minutes"
    );
}

/// A clamd that speaks INSTREAM, finds EICAR and counts its streams.
async fn clamd() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let scanned = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&scanned);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let counter = Arc::clone(&counter);
            tokio::spawn(async move {
                if scan(stream).await.is_ok() {
                    counter.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
    });
    (address, scanned)
}

async fn scan(mut stream: TcpStream) -> std::io::Result<()> {
    let mut command = [0; 10];
    stream.read_exact(&mut command).await?;
    assert_eq!(&command, b"zINSTREAM\0");
    let mut content = Vec::new();
    loop {
        let length = stream.read_u32().await?;
        if length == 0 {
            break;
        }
        let mut part = vec![0; usize::try_from(length).unwrap()];
        stream.read_exact(&mut part).await?;
        content.extend_from_slice(&part);
    }
    let bad = eicar();
    let found = content.windows(bad.len()).any(|part| part == bad);
    let word: &[u8] = if found {
        b"stream: Win.Test.EICAR_HDB-1 FOUND\0"
    } else {
        b"stream: OK\0"
    };
    stream.write_all(word).await
}

#[tokio::test]
async fn a_scanner_refuses_what_it_finds_and_no_file_passes_without_its_word() {
    let (address, scanned) = clamd().await;
    let (world, folder) = world(vec![("scanner.address", address)]).await;
    let (status, clean) = upload(&world, "x.pdf", pdf(300_000)).await;
    assert_eq!((status, &clean["scan_state"]), (201, &json!("clean")));
    let infected = [pdf(100_000), eicar(), pdf(1_000)].concat();
    let (status, refused) = upload(&world, "x.pdf", infected).await;
    assert!(status == 400 && refused["file"].is_array(), "{refused}");
    assert_eq!(scanned.load(Ordering::SeqCst), 2);
    assert_eq!(stored(&folder).len(), 1, "what was found is gone");
    assert_eq!(call(&world, "GET", "files/", json!({})).await.1["count"], 1);

    let (away, folder) = self::world(vec![("scanner.address", "127.0.0.1:9".to_owned())]).await;
    let (status, refused) = upload(&away, "x.pdf", pdf(100)).await;
    assert_eq!(
        (status, &refused["code"]),
        (503, &json!("file.scanner_away")),
        "{refused}"
    );
    assert!(stored(&folder).is_empty());
}

#[tokio::test]
async fn the_sweep_removes_what_is_no_file_and_nothing_else() {
    let (world, folder) = world(vec![]).await;
    let (_, kept) = upload(&world, "x.pdf", pdf(100)).await;
    let (_, gone) = upload(&world, "y.pdf", pdf(200)).await;
    let path = format!("files/{}/", gone["id"].as_str().unwrap());
    assert_eq!(call(&world, "DELETE", &path, json!({})).await.0, 204);
    assert_eq!(call(&world, "GET", &path, json!({})).await.0, 404);
    assert_eq!(stored(&folder).len(), 2);
    world.service.state.sweep_files().await.unwrap();
    assert_eq!(stored(&folder).len(), 1);
    // An upload whose process died: noted, stored, never a row.
    crate::outgoing_support::execute(
        &world,
        "INSERT INTO file_leftovers SELECT storage_key, now() - interval '1 hour' FROM files",
    )
    .await;
    crate::outgoing_support::execute(&world, "DELETE FROM files").await;
    world.service.state.sweep_files().await.unwrap();
    assert!(stored(&folder).is_empty(), "{kept}");
    assert_eq!(
        count(&world, "SELECT count(*) AS count FROM file_leftovers").await,
        0
    );
}

#[tokio::test]
async fn without_a_store_uploads_say_so() {
    let world = World::start().await;
    let (status, refused) = upload(&world, "x.pdf", pdf(100)).await;
    assert_eq!(
        (status, &refused["code"]),
        (503, &json!("file.not_configured"))
    );
}
