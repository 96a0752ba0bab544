//! `/api/integrations/files/…`.

use actix_multipart::Multipart;
use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        StatusCode,
        header::{
            self, Charset, ContentDisposition, DispositionParam, DispositionType, ExtendedValue,
        },
    },
    web,
};
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::TryStreamExt;
use serde::{Deserialize, Serialize};
use service_audit::{ActorKind, AuditEntry, record};
use service_http::{Allowed, ApiError, ClientIp, ClinicStaff, PageQuery, Path, Query, paginate};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    error::UploadError,
    model::{TICKET_SECONDS, Ticket},
    range,
    store::{self, FileRow},
    upload::{self, Uploader},
};
use crate::AppState;

fn uploader_of(caller: &Allowed<ClinicStaff>) -> Result<Uploader, ApiError> {
    let organization = caller
        .org
        .ok_or_else(|| ApiError::forbidden("file.no_organization", "Choose an organisation."))?;
    Ok(Uploader {
        user: caller.sub,
        organization,
    })
}

fn audit(
    who: Uploader,
    ip: ClientIp,
    action: &'static str,
    file: Uuid,
    now: DateTime<Utc>,
) -> AuditEntry {
    AuditEntry::new(who.user, ActorKind::User, action, now)
        .subject("file", file)
        .organization(Some(who.organization))
        .origin(Some(ip.0), None)
}

/// Stores a file: jpg, jpeg, png, pdf, doc, docx of at most 10 MB, or mp3, wav, m4a, ogg of at most 25 MB, as the multipart
/// field `file`. Its type is what its content says.
#[utoipa::path(post, path = "/api/integrations/files/", tag = "files",
    responses((status = 201, body = FileRow), (status = 400), (status = 403), (status = 503)))]
pub(crate) async fn upload_file(
    caller: Allowed<ClinicStaff>,
    ip: ClientIp,
    mut form: Multipart,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let who = uploader_of(&caller)?;
    let unreadable = |error: actix_multipart::MultipartError| {
        ApiError::bad_request(
            "request.multipart",
            format!("Multipart form parse error - {error}"),
        )
    };
    while let Some(field) = form.try_next().await.map_err(unreadable)? {
        if field.name() != Some("file") {
            continue;
        }
        let row = upload::take(&state, who, field).await?;
        let audit = audit(who, ip, "integrations.file_uploaded", row.id, state.now());
        let kept = state
            .stack
            .db
            .transaction(async |conn| {
                record(conn, audit.clone()).await?;
                Ok::<_, service_db::DbError>(store::insert_file(conn, row.clone()).await?)
            })
            .await;
        return match kept {
            Ok(true) => Ok(HttpResponse::Created().json(row)),
            Ok(false) => Err(UploadError::Interrupted.into()),
            Err(error) => {
                upload::discard(&state, &row.storage_key).await;
                Err(ApiError::internal(error))
            }
        };
    }
    Err(UploadError::NoFile.into())
}

#[derive(Debug, Deserialize)]
pub(crate) struct ListQuery {
    kind: Option<String>,
}

/// The organisation's files, newest first.
#[utoipa::path(get, path = "/api/integrations/files/", tag = "files",
    params(("kind" = Option<String>, Query), ("search" = Option<String>, Query)), responses((status = 200, body = Vec<FileRow>), (status = 403)))]
pub(crate) async fn list_files(
    request: HttpRequest,
    caller: Allowed<ClinicStaff>,
    query: Query<ListQuery>,
    page: Query<PageQuery>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let who = uploader_of(&caller)?;
    let mut conn = state.stack.db.get().await?;
    let (count, rows) = store::list_files(
        &mut conn,
        who.organization,
        query.kind.as_deref(),
        page.search(),
        page.offset(),
        page.limit(),
    )
    .await?;
    Ok(HttpResponse::Ok().json(paginate(&request, &page, count, rows)?))
}

async fn find(state: &AppState, who: Uploader, id: Uuid) -> Result<FileRow, ApiError> {
    let mut conn = state.stack.db.get().await?;
    let row = store::find_file(&mut conn, who.organization, id).await?;
    Ok(row.ok_or(UploadError::Missing)?)
}

/// What is known of a file.
#[utoipa::path(get, path = "/api/integrations/files/{id}/", tag = "files", params(("id" = Uuid, Path)),
    responses((status = 200, body = FileRow), (status = 403), (status = 404)))]
pub(crate) async fn get_file(
    caller: Allowed<ClinicStaff>,
    id: Path<Uuid>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(find(&state, uploader_of(&caller)?, *id).await?))
}

/// Removes a file; its bytes go with the next sweep.
#[utoipa::path(delete, path = "/api/integrations/files/{id}/", tag = "files", params(("id" = Uuid, Path)),
    responses((status = 204), (status = 403), (status = 404)))]
pub(crate) async fn delete_file(
    caller: Allowed<ClinicStaff>,
    ip: ClientIp,
    id: Path<Uuid>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let who = uploader_of(&caller)?;
    let row = find(&state, who, *id).await?;
    let now = state.now();
    let audit = audit(who, ip, "integrations.file_deleted", row.id, now);
    state
        .stack
        .db
        .transaction(async |conn| {
            record(conn, audit.clone()).await?;
            store::delete_file(conn, &row, now).await?;
            Ok::<_, service_db::DbError>(())
        })
        .await?;
    Ok(HttpResponse::NoContent().finish())
}

/// The bytes of a file, whole or in a range.
#[utoipa::path(get, path = "/api/integrations/files/{id}/content/", tag = "files", params(("id" = Uuid, Path)),
    responses((status = 200), (status = 206), (status = 403), (status = 404), (status = 416)))]
pub(crate) async fn download_file(
    request: HttpRequest,
    caller: Allowed<ClinicStaff>,
    ip: ClientIp,
    id: Path<Uuid>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let who = uploader_of(&caller)?;
    let row = find(&state, who, *id).await?;
    let audit = audit(who, ip, "integrations.file_downloaded", row.id, state.now());
    let mut conn = state.stack.db.get().await?;
    record(&mut conn, audit).await?;
    drop(conn);
    send(&state, &request, row).await
}

/// A ticket as handed out.
#[derive(Serialize, ToSchema)]
pub(crate) struct TicketResponse {
    /// Address that answers the file once, without a token.
    url: String,
    expires_at: DateTime<Utc>,
}

/// Makes an address at which the file can be fetched once within five minutes, by whoever holds it.
#[utoipa::path(post, path = "/api/integrations/files/{id}/ticket/", tag = "files", params(("id" = Uuid, Path)),
    responses((status = 201, body = TicketResponse), (status = 403), (status = 404)))]
pub(crate) async fn create_file_ticket(
    caller: Allowed<ClinicStaff>,
    ip: ClientIp,
    id: Path<Uuid>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let who = uploader_of(&caller)?;
    let row = find(&state, who, *id).await?;
    let now = state.now();
    let expires_at = now + TimeDelta::seconds(TICKET_SECONDS);
    let ticket = Ticket {
        file: row.id,
        nonce: Uuid::now_v7(),
        expires_at: expires_at.timestamp(),
    };
    let mut conn = state.stack.db.get().await?;
    record(
        &mut conn,
        audit(who, ip, "integrations.file_ticket_made", row.id, now),
    )
    .await?;
    Ok(HttpResponse::Created()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(TicketResponse {
            url: format!(
                "/api/integrations/files/tickets/{}/",
                ticket.sign(&state.fingerprint_key)
            ),
            expires_at,
        }))
}

/// The file of a ticket, once.
#[utoipa::path(get, path = "/api/integrations/files/tickets/{ticket}/", tag = "files", params(("ticket" = String, Path)),
    responses((status = 200), (status = 206), (status = 404), (status = 416)))]
pub(crate) async fn redeem_file_ticket(
    request: HttpRequest,
    ip: ClientIp,
    ticket: Path<String>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let now = state.now();
    let ticket = Ticket::open(&ticket, &state.fingerprint_key, now.timestamp())
        .ok_or(UploadError::BadTicket)?;
    let ends = DateTime::from_timestamp(ticket.expires_at, 0).ok_or(UploadError::BadTicket)?;
    let audit = AuditEntry::new(
        "",
        ActorKind::Anonymous,
        "integrations.file_downloaded",
        now,
    )
    .subject("file", ticket.file)
    .origin(Some(ip.0), None);
    let row = state
        .stack
        .db
        .transaction(async |conn| {
            if !store::use_ticket(conn, ticket.nonce, ends).await? {
                return Err(UploadError::BadTicket);
            }
            let row = store::find_file_for_ticket(conn, ticket.file)
                .await?
                .ok_or(UploadError::BadTicket)?;
            record(conn, audit.clone().organization(Some(row.organization_id))).await?;
            Ok(row)
        })
        .await?;
    send(&state, &request, row).await
}

async fn send(
    state: &AppState,
    request: &HttpRequest,
    row: FileRow,
) -> Result<HttpResponse, ApiError> {
    let files = state.files.as_ref().ok_or(UploadError::NotConfigured)?;
    let file = files
        .open(&row.storage_key)
        .await
        .map_err(UploadError::from)?;
    let length = file.length();
    let tag = format!("\"{}\"", row.sha256);
    let text = |name: header::HeaderName| {
        request
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok())
    };
    let same = text(header::IF_RANGE).is_none_or(|sent| sent == tag);
    let range = range::wanted(text(header::RANGE).filter(|_| same), length)
        .map_err(|range::Outside| UploadError::Range(length))?;
    let whole = range.clone().unwrap_or(0..length);
    let mut answer = HttpResponse::build(if range.is_some() {
        StatusCode::PARTIAL_CONTENT
    } else {
        StatusCode::OK
    });
    answer
        .content_type(row.content_type.as_str())
        .insert_header(ContentDisposition {
            disposition: DispositionType::Attachment,
            parameters: vec![DispositionParam::FilenameExt(ExtendedValue {
                charset: Charset::Ext("UTF-8".to_owned()),
                language_tag: None,
                value: row.file_name.into_bytes(),
            })],
        })
        .insert_header((header::ACCEPT_RANGES, "bytes"))
        .insert_header((header::ETAG, tag))
        .insert_header((header::CACHE_CONTROL, "private, no-store"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((
            header::CONTENT_SECURITY_POLICY,
            "sandbox; default-src 'none'",
        ))
        .insert_header((header::REFERRER_POLICY, "no-referrer"));
    if range.is_some() {
        let last = whole.end.saturating_sub(1);
        let place = format!("bytes {}-{last}/{length}", whole.start);
        answer.insert_header((header::CONTENT_RANGE, place));
    }
    answer.no_chunking(whole.end - whole.start);
    let bytes = file.stream(whole).map_err(UploadError::from)?;
    Ok(answer.streaming(bytes))
}
