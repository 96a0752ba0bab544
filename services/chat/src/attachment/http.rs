//! Uploading and fetching files.

use actix_multipart::{Field, Multipart};
use actix_web::{
    HttpResponse,
    http::header::{self, ContentDisposition, DispositionParam, DispositionType, ExtendedValue},
    web::Data,
};
use file_store::{FileError, Kind, StoredFile};
use futures_util::{StreamExt, TryStreamExt};
use serde::Serialize;
use service_http::{ApiError, Caller, Path, Text, text};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    clean_name, relative_url,
    store::{self, NewAttachment},
};
use crate::{AppState, error::ChatError, person::store as people, room::store as rooms};

/// Longest caption, in characters.
const TEXT_LENGTH: usize = 2_000;
/// Most bytes of a field beside the file.
const FIELD_BYTES: usize = 16 * 1024;

/// An uploaded file.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AttachmentResponse {
    pub(crate) id: i64,
    /// Relative address.
    pub(crate) file: String,
    pub(crate) chatroom: i64,
    pub(crate) text: String,
    pub(crate) created_at: chrono::DateTime<chrono::Utc>,
}

/// Stores a file of at most 200 MB for a room: multipart fields `chatroom`, `text` and `file`, the
/// file last or first (H02).
#[utoipa::path(
    post, path = "/api/message/file/upload/",
    responses((status = 201, body = AttachmentResponse), (status = 400, description = "What is wrong"), (status = 404, description = "Not a member"))
)]
pub(crate) async fn upload_attachment(
    state: Data<AppState>,
    caller: Caller,
    mut form: Multipart,
) -> Result<HttpResponse, ApiError> {
    let now = state.stack.clock.now();
    let (mut room, mut caption, mut file) = (None, String::new(), None);
    while let Some(field) = form.try_next().await.map_err(unreadable)? {
        match field.name() {
            Some("chatroom") => room = read_text(field).await?.trim().parse::<i64>().ok(),
            Some("text") => caption = read_text(field).await?,
            Some("file") if file.is_none() => {
                // A stranger's bytes are not stored: where the room comes first, it is checked first.
                if let Some(room) = room {
                    member_room(&state, &caller, room).await?;
                }
                file = Some(keep(&state, field).await?);
            }
            _ => {}
        }
    }
    let Some((stored, name)) = file else {
        return Err(ApiError::invalid().field("file", "No file was submitted."));
    };
    let checked = match room {
        Some(room) if caption.chars().count() <= TEXT_LENGTH => member_room(&state, &caller, room)
            .await
            .map(|id| (id, room)),
        Some(_) => Err(ApiError::invalid().field("text", text::too_long(TEXT_LENGTH))),
        None => Err(ApiError::invalid().field("chatroom", text::required())),
    };
    let saved = match checked {
        Ok((room_id, room)) => save(&state, &caller, room_id, &stored, &name, &caption, now)
            .await
            .map(|row| (row, room)),
        Err(error) => Err(error),
    };
    match saved {
        Ok((row, room)) => Ok(HttpResponse::Created().json(AttachmentResponse {
            id: row.number,
            file: relative_url(row.id, &row.file_name),
            chatroom: room,
            text: row.text,
            created_at: row.created_at,
        })),
        Err(error) => {
            if let Err(cause) = state.files.delete(&stored.path).await {
                tracing::warn!(error = %cause, "an upload without a row could not be removed");
            }
            Err(error)
        }
    }
}

/// Hands a file to a member of its room.
#[utoipa::path(
    get, path = "/media/uploads/chat_files/{attachment}/{name}", params(("attachment" = Uuid, Path), ("name" = String, Path)),
    responses((status = 200, description = "The file"), (status = 404, description = "Not a member"))
)]
pub(crate) async fn download_attachment(
    state: Data<AppState>,
    caller: Caller,
    path: Path<(Uuid, String)>,
) -> Result<HttpResponse, ApiError> {
    let mut conn = state.stack.db.get().await?;
    let row = store::find_attachment_for_member(&mut conn, path.0.0, caller.sub)
        .await?
        .ok_or(ChatError::AttachmentNotFound)?;
    drop(conn);
    let (length, bytes) = state
        .files
        .get(&row.storage_key, None)
        .await
        .map_err(refused)?;
    let disposition = ContentDisposition {
        disposition: DispositionType::Attachment,
        parameters: vec![DispositionParam::FilenameExt(ExtendedValue {
            charset: header::Charset::Ext("UTF-8".to_owned()),
            language_tag: None,
            value: row.file_name.into_bytes(),
        })],
    };
    Ok(HttpResponse::Ok()
        .content_type(row.content_type)
        .insert_header(disposition)
        .insert_header((header::CONTENT_LENGTH, length))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((
            header::CONTENT_SECURITY_POLICY,
            "sandbox; default-src 'none'",
        ))
        .insert_header((header::CACHE_CONTROL, "private, no-store"))
        .streaming(bytes))
}

async fn member_room(state: &AppState, caller: &Caller, room: i64) -> Result<Uuid, ApiError> {
    let mut conn = state.stack.db.get().await?;
    people::insert_caller(&mut conn, caller, state.stack.clock.now()).await?;
    let (row, member) = rooms::find_room_for_member(&mut conn, room, caller.sub)
        .await?
        .ok_or(ChatError::RoomUnknown)?;
    if !member.may_write() {
        return Err(ChatError::Banned.into());
    }
    Ok(row.id)
}

async fn save(
    state: &AppState,
    caller: &Caller,
    room_id: Uuid,
    stored: &StoredFile,
    name: &str,
    caption: &str,
    now: chrono::DateTime<chrono::Utc>,
) -> Result<store::AttachmentRow, ApiError> {
    let new = NewAttachment {
        id: Uuid::now_v7(),
        room_id,
        uploader_id: caller.sub,
        storage_key: &stored.path,
        file_name: name,
        content_type: stored.detected.mime,
        size_bytes: i64::try_from(stored.length).map_err(anyhow::Error::from)?,
        sha256: &stored.sha256,
        text: caption,
        created_at: now,
    };
    let mut conn = state.stack.db.get().await?;
    Ok(store::insert_attachment(&mut conn, &new).await?)
}

async fn keep(state: &AppState, field: Field) -> Result<(StoredFile, String), ApiError> {
    let given = field
        .content_disposition()
        .and_then(|disposition| disposition.get_filename().map(str::to_owned));
    let path = format!("chat/{}", Uuid::now_v7());
    let stored = state
        .files
        .put_stream(
            &path,
            Kind::Chat,
            Kind::Chat.max_bytes(),
            field.map_err(|error| error.to_string()),
        )
        .await
        .map_err(refused)?;
    let name = clean_name(given.as_deref(), stored.detected.extension);
    Ok((stored, name))
}

async fn read_text(mut field: Field) -> Result<String, ApiError> {
    let mut bytes = Vec::new();
    while let Some(part) = field.next().await {
        bytes.extend_from_slice(&part.map_err(unreadable)?);
        if bytes.len() > FIELD_BYTES {
            return Err(ApiError::invalid().field("text", text::too_long(TEXT_LENGTH)));
        }
    }
    String::from_utf8(bytes).map_err(|_| ApiError::invalid().field("text", text::not_a_string()))
}

fn unreadable(error: actix_multipart::MultipartError) -> ApiError {
    ApiError::bad_request(
        "request.multipart",
        format!("Multipart form parse error - {error}"),
    )
}

fn refused(error: FileError) -> ApiError {
    let field = |message: Text| ApiError::invalid().field("file", message);
    match error {
        FileError::Empty => field(Text::i18n(
            "فایل خالی است.",
            "Le fichier soumis est vide.",
            "The submitted file is empty.",
        )),
        FileError::TooLarge { .. } => field("حداکثر حجم مجاز فایل 200 مگابایت است.".into()),
        FileError::TypeRefused { .. } => field(Text::i18n(
            "این نوع فایل پذیرفته نمی‌شود.",
            "Ce type de fichier n'est pas accepté.",
            "This type of file is not accepted.",
        )),
        FileError::Interrupted => {
            ApiError::bad_request("chat.upload_interrupted", "The upload was interrupted.")
        }
        FileError::NotFound => ChatError::AttachmentNotFound.into(),
        cause @ (FileError::Exists
        | FileError::Path
        | FileError::Range { .. }
        | FileError::Damaged
        | FileError::UnknownKey
        | FileError::Settings(_)
        | FileError::Store(_)) => ApiError::unavailable(
            "chat.file_unavailable",
            Text::i18n(
                "فایل اکنون در دسترس نیست.",
                "Fichier temporairement indisponible",
                "The file is temporarily unavailable.",
            ),
        )
        .caused_by(anyhow::Error::new(cause)),
    }
}
