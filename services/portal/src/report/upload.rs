//! Taking in a report: streamed into the file store, told by its content, at most 50 MB (decision 31).

use std::time::Duration;

use actix_multipart::{Field, Multipart};
use bytes::{Bytes, BytesMut};
use file_store::{FileError, Kind, StoredFile};
use futures_util::{Stream, StreamExt, TryStreamExt};
use uuid::Uuid;

use super::{
    activate,
    error::ReportError,
    store::{self, NewReport, ReportRow},
};
use crate::{
    access,
    state::AppState,
    web::{Act, Who},
};

/// A sender that is silent for longer is gone.
const SILENCE: Duration = Duration::from_secs(30);
/// Longest text field of the form.
const TEXT_BYTES: usize = 64;

/// What an upload brought.
struct Parts {
    access: Option<String>,
    file: Option<(String, StoredFile)>,
}

impl From<FileError> for ReportError {
    fn from(error: FileError) -> Self {
        match error {
            FileError::Empty => Self::EmptyFile,
            FileError::TooLarge { max_bytes } => Self::TooLarge(max_bytes),
            FileError::TypeRefused { .. } => Self::TypeRefused,
            FileError::Interrupted => Self::Interrupted,
            FileError::NotFound => Self::FileMissing,
            FileError::Range { length } => Self::Range(length),
            other => Self::Unexpected(other.into()),
        }
    }
}

/// A field's bytes; a silent sender ends them with an error.
fn patient_bytes(field: Field) -> impl Stream<Item = Result<Bytes, std::io::Error>> {
    futures_util::stream::unfold(field, |mut field| async move {
        match tokio::time::timeout(SILENCE, field.next()).await {
            Ok(None) => None,
            Ok(Some(Ok(bytes))) => Some((Ok(bytes), field)),
            Ok(Some(Err(error))) => Some((Err(std::io::Error::other(error.to_string())), field)),
            Err(_) => Some((Err(std::io::ErrorKind::TimedOut.into()), field)),
        }
    })
}

async fn text(field: Field) -> Result<String, ReportError> {
    let mut bytes = BytesMut::new();
    let mut stream = std::pin::pin!(patient_bytes(field));
    while let Some(chunk) = stream
        .try_next()
        .await
        .map_err(|_| ReportError::Interrupted)?
    {
        if bytes.len() + chunk.len() > TEXT_BYTES {
            return Err(ReportError::AccessNotFound);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
}

/// The last segment of what the client calls the file, without control characters.
fn clean_name(name: &str, extension: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let clean: String = last
        .chars()
        .filter(|c| !c.is_control() && !matches!(c, '"' | '<' | '>' | '|' | ':' | '*' | '?' | '%'))
        .take(150)
        .collect();
    let clean = clean.trim().trim_start_matches('.').to_owned();
    let stem = clean
        .rsplit_once('.')
        .map_or(clean.as_str(), |(stem, _)| stem);
    let stem = if stem.is_empty() { "rapport" } else { stem };
    format!("{stem}.{extension}")
}

async fn read(state: &AppState, path: &str, mut form: Multipart) -> Result<Parts, ReportError> {
    let mut parts = Parts {
        access: None,
        file: None,
    };
    while let Some(field) = form
        .try_next()
        .await
        .map_err(|_| ReportError::Interrupted)?
    {
        match field.name().unwrap_or_default() {
            "patient_access" => parts.access = Some(text(field).await?),
            "report_file" if parts.file.is_none() => {
                let name = field
                    .content_disposition()
                    .and_then(|d| d.get_filename())
                    .unwrap_or_default()
                    .to_owned();
                let limit = state.settings.reports.max_bytes;
                let stored = state
                    .files
                    .put_stream(path, Kind::Report, limit, patient_bytes(field))
                    .await?;
                parts.file = Some((clean_name(&name, stored.detected.extension), stored));
            }
            // What is not asked for is read and forgotten.
            _ => {
                let mut rest = std::pin::pin!(patient_bytes(field));
                while rest
                    .try_next()
                    .await
                    .map_err(|_| ReportError::Interrupted)?
                    .is_some()
                {}
            }
        }
    }
    Ok(parts)
}

/// Stores a report and, unless staff release reports by hand, activates it when its keys match a paid invoice (R10).
///
/// # Errors
/// [`ReportError`] as named there; the file is gone again then.
pub(crate) async fn upload(
    state: &AppState,
    organization: Uuid,
    who: &Who,
    form: Multipart,
) -> Result<ReportRow, ReportError> {
    let id = Uuid::now_v7();
    let path = format!("reports/{}/{}", organization.simple(), id.simple());
    let outcome = match read(state, &path, form).await {
        Ok(parts) => save(state, organization, who, id, parts).await,
        Err(error) => Err(error),
    };
    if outcome.is_err()
        && let Err(error) = state.files.delete(&path).await
    {
        tracing::warn!(%error, "a refused upload stays in the file store");
    }
    state.outbox.wake();
    outcome
}

async fn save(
    state: &AppState,
    organization: Uuid,
    who: &Who,
    id: Uuid,
    parts: Parts,
) -> Result<ReportRow, ReportError> {
    let number = match parts.access.as_deref() {
        None | Some("") => return Err(ReportError::AccessRequired),
        Some(text) => text
            .parse::<i64>()
            .map_err(|_| ReportError::AccessNotFound)?,
    };
    let (file_name, stored) = parts.file.ok_or(ReportError::NoFile)?;
    let now = state.now();
    state
        .db
        .transaction(async |conn| {
            let keys = access::find_access_by_number(conn, organization, number)
                .await?
                .ok_or(ReportError::AccessNotFound)?;
            let new = NewReport {
                id,
                organization_id: organization,
                patient_id: keys.patient_id,
                access_id: keys.id,
                file_name: &file_name,
                content_type: stored.detected.mime,
                size_bytes: i64::try_from(stored.length).unwrap_or(i64::MAX),
                sha256: hex::decode(&stored.sha256).map_err(anyhow::Error::new)?,
                storage_key: &stored.path,
                uploaded_by: who.user(),
                created_at: now,
                updated_at: now,
            };
            let row = store::insert_report(conn, &new).await?;
            let act = Act::on("report.uploaded", "report", &[row.id])
                .with(serde_json::json!({ "patient_id": row.patient_id }));
            who.record(conn, act, now).await?;
            if state.settings.reports.release_by_staff
                || !keys.is_active
                || activate::validate_invoice_key_match(conn, &row)
                    .await?
                    .0
                    .is_none()
            {
                return Ok(row);
            }
            let (row, _) = activate::validate_and_activate(conn, &row, None, who, now).await?;
            Ok::<_, ReportError>(row)
        })
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lose_their_folders_and_lies() {
        assert_eq!(
            clean_name("C:\\x\\Résultat sang.docx", "pdf"),
            "Résultat sang.pdf"
        );
        assert_eq!(clean_name("../../etc/passwd", "png"), "passwd.png");
        assert_eq!(clean_name("", "jpg"), "rapport.jpg");
        assert_eq!(clean_name(".pdf", "pdf"), "pdf.pdf");
        assert_eq!(clean_name("a\r\nX: y\".pdf", "pdf"), "aX y.pdf");
    }
}
