//! Taking a file in: its type is told from its first bytes, which rules how large it may be; what follows goes to the store
//! and to the scanner side by side.

use std::{sync::Arc, time::Duration};

use actix_multipart::Field;
use bytes::{Bytes, BytesMut};
use chrono::TimeDelta;
use file_store::{FileError, Kind, SNIFF_BYTES, StoredFile, detect};
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::sync::Mutex;
use uuid::Uuid;

use super::{
    error::UploadError,
    model::clean_name,
    scan::{Scan, Verdict},
    store::{self, FileRow},
};
use crate::AppState;

/// An upload that is not a file after this time never will be.
const UPLOAD_HOURS: TimeDelta = TimeDelta::hours(1);

/// Who uploads, for whom.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Uploader {
    pub(crate) user: Uuid,
    pub(crate) organization: Uuid,
}

/// The kind that content of this head belongs to.
fn kind_of(head: &[u8]) -> Result<(Kind, &'static str), UploadError> {
    let found = detect(head);
    match found {
        Some(found) if Kind::Audio.allows(found.mime) => Ok((Kind::Audio, "audio")),
        Some(found) if Kind::Document.allows(found.mime) => Ok((Kind::Document, "document")),
        found => Err(UploadError::TypeRefused(found.map(|found| found.mime))),
    }
}

/// The first bytes, and whether they are all: a field must not be asked again after its end.
async fn head_of(field: &mut Field) -> Result<(Bytes, bool), UploadError> {
    let mut head = BytesMut::new();
    let mut ended = false;
    while head.len() < SNIFF_BYTES && !ended {
        match field.next().await {
            Some(Ok(part)) => head.extend_from_slice(&part),
            Some(Err(_)) => return Err(UploadError::Interrupted),
            None => ended = true,
        }
    }
    if head.is_empty() {
        return Err(UploadError::Empty);
    }
    Ok((head.freeze(), ended))
}

/// Stores one uploaded file; the caller writes its row.
///
/// # Errors
/// [`UploadError`]; nothing is left in the store but what the sweep knows of.
pub(crate) async fn take(
    state: &AppState,
    uploader: Uploader,
    mut field: Field,
) -> Result<FileRow, UploadError> {
    let files = state.files.as_ref().ok_or(UploadError::NotConfigured)?;
    let given = field
        .content_disposition()
        .and_then(|disposition| disposition.get_filename().map(str::to_owned));
    let (head, ended) = head_of(&mut field).await?;
    let (kind, kind_name) = kind_of(&head)?;
    let scan = start_scan(state).await?;
    let (id, now) = (Uuid::now_v7(), state.now());
    let storage_key = format!("files/{}/{id}", uploader.organization.simple());
    let mut conn = state.stack.db.get().await?;
    store::insert_leftover(&mut conn, &storage_key, now + UPLOAD_HOURS).await?;
    drop(conn);
    let rest = match ended {
        true => stream::empty().left_stream(),
        false => field.map_err(|error| error.to_string()).right_stream(),
    };
    let parts = stream::once(async move { Ok::<_, String>(head) }).chain(rest);
    let tee = Arc::clone(&scan);
    let scanned = parts.and_then(move |part: Bytes| {
        let scan = Arc::clone(&tee);
        async move {
            if let Some(scan) = scan.lock().await.as_mut() {
                scan.feed(&part).await?;
            }
            Ok(part)
        }
    });
    let stored = files
        .put_stream(&storage_key, kind, kind.max_bytes(), scanned)
        .await;
    let finished = finish(stored, &scan).await;
    let (stored, scan_state) = match finished {
        Ok(good) => good,
        Err(error) => {
            discard(state, &storage_key).await;
            return Err(error);
        }
    };
    Ok(FileRow {
        id,
        organization_id: uploader.organization,
        uploader_id: uploader.user,
        kind: kind_name.to_owned(),
        file_name: clean_name(given.as_deref(), stored.detected.extension),
        content_type: stored.detected.mime.to_owned(),
        size_bytes: i64::try_from(stored.length).map_err(anyhow::Error::from)?,
        sha256: stored.sha256,
        storage_key,
        scan_state: scan_state.to_owned(),
        created_at: now,
    })
}

type SharedScan = Arc<Mutex<Option<Scan>>>;

async fn start_scan(state: &AppState) -> Result<SharedScan, UploadError> {
    let settings = &state.settings.scanner;
    if settings.address.is_empty() {
        return Ok(Arc::default());
    }
    let patience = Duration::from_secs(settings.timeout_seconds);
    let scan = Scan::start(&settings.address, patience)
        .await
        .map_err(UploadError::ScannerAway)?;
    Ok(Arc::new(Mutex::new(Some(scan))))
}

/// Where a scanner is configured, no file without its word.
async fn finish(
    stored: Result<StoredFile, FileError>,
    scan: &SharedScan,
) -> Result<(StoredFile, &'static str), UploadError> {
    let scan = scan.lock().await.take();
    let stored = match (stored, &scan) {
        (Ok(stored), _) => stored,
        // The store names any broken stream so; with a scanner it may have been that one.
        (Err(FileError::Interrupted), Some(_)) => {
            return Err(UploadError::ScannerAway("the stream broke".to_owned()));
        }
        (Err(error), _) => return Err(error.into()),
    };
    match scan {
        None => Ok((stored, "unscanned")),
        Some(scan) => match scan.finish().await {
            Ok(Verdict::Clean) => Ok((stored, "clean")),
            Ok(Verdict::Found(name)) => {
                tracing::warn!(alarm = "files.infected", found = %name, "an upload was refused");
                metrics::counter!("integrations_files_infected_total").increment(1);
                Err(UploadError::Infected)
            }
            Err(error) => Err(UploadError::ScannerAway(error)),
        },
    }
}

/// Removes what an upload left at once; when that fails, the sweep does it later.
pub(crate) async fn discard(state: &AppState, storage_key: &str) {
    let Some(files) = &state.files else { return };
    let removed = async {
        files.delete(storage_key).await?;
        let mut conn = state.stack.db.get().await?;
        store::delete_leftover(&mut conn, storage_key).await?;
        anyhow::Ok(())
    };
    if let Err(error) = removed.await {
        tracing::warn!(
            error = format!("{error:#}"),
            "an upload waits for the sweep"
        );
    }
}
