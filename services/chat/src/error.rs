//! What chat refuses, and how it says so.

use serde_json::json;
use service_db::DbError;
use service_http::{ApiError, Text};

/// Refusals of rooms, messages, summaries and sockets.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChatError {
    #[error("no such room, or the caller is not a member")]
    RoomNotFound,
    #[error("no such room to post in")]
    RoomUnknown,
    #[error("the room is closed or on hold")]
    RoomClosed,
    #[error("the member may not write in this room")]
    Banned,
    #[error("user_id is missing")]
    UserMissing,
    #[error("no such user to talk to")]
    UserNotFound,
    #[error("a room with oneself")]
    SelfRoom,
    #[error("the caller may not change the room")]
    NotRoomAdmin,
    #[error("no such message")]
    MessageNotFound,
    #[error("no such attachment in this room")]
    AttachmentNotFound,
    #[error("chat_room is missing")]
    ChatRoomMissing,
    #[error("the text is empty")]
    TextBlank,
    #[error("the text is longer than {0} characters")]
    TextTooLong(usize),
    #[error("{0:?} is not a message type")]
    UnknownType(String),
    #[error("a location needs lat and lng")]
    LocationIncomplete,
    #[error("the cursor is not one of ours")]
    CursorInvalid,
    #[error("nothing to summarise")]
    NothingToSummarize,
    #[error("the room does not say who the patient is")]
    PatientUnclear,
    #[error("no such summary job")]
    JobNotFound,
    #[error("the patient has no summary")]
    SummaryNotFound,
    #[error(transparent)]
    Db(#[from] DbError),
    #[error(transparent)]
    Query(#[from] diesel::result::Error),
    #[error(transparent)]
    Unexpected(#[from] anyhow::Error),
}

impl From<ChatError> for ApiError {
    fn from(error: ChatError) -> Self {
        match error {
            ChatError::RoomNotFound => Self::no_match("chat.room_not_found", "ChatRoom"),
            ChatError::RoomUnknown => Self::not_found("chat.room_not_found", "چت‌روم پیدا نشد."),
            ChatError::RoomClosed => Self::conflict(
                "chat.room_closed",
                Text::i18n(
                    "این گفت‌وگو بسته است.",
                    "Cette conversation est fermée.",
                    "This conversation is closed.",
                ),
            ),
            ChatError::Banned => Self::forbidden(
                "chat.banned",
                Text::i18n(
                    "اجازهٔ نوشتن در این گفت‌وگو را ندارید.",
                    "Vous ne pouvez pas écrire dans cette conversation.",
                    "You may not write in this conversation.",
                ),
            ),
            ChatError::UserMissing => {
                Self::not_found("chat.user_missing", "user_id ارسال نشده است.")
            }
            ChatError::UserNotFound => {
                Self::not_found("chat.user_not_found", "کاربر مورد نظر یافت نشد.")
            }
            ChatError::SelfRoom => Self::invalid().field(
                "user_id",
                Text::i18n(
                    "گفت‌وگو با خود ممکن نیست.",
                    "On ne peut pas ouvrir une conversation avec soi-même.",
                    "A conversation with oneself cannot be opened.",
                ),
            ),
            ChatError::NotRoomAdmin => Self::permission_denied(),
            ChatError::MessageNotFound => Self::no_match("chat.message_not_found", "Message"),
            ChatError::AttachmentNotFound => Self::not_found(
                "chat.attachment_not_found",
                Text::i18n(
                    "پیوست پیدا نشد.",
                    "Pièce jointe introuvable.",
                    "The attachment was not found.",
                ),
            ),
            ChatError::ChatRoomMissing => {
                Self::bad_request("chat.room_missing", "فیلد chat_room اجباری است.")
                    .bare(json!(["فیلد chat_room اجباری است."]))
            }
            ChatError::TextBlank => Self::invalid().field("text", service_http::text::not_blank()),
            ChatError::TextTooLong(max) => {
                Self::invalid().field("text", service_http::text::too_long(max))
            }
            ChatError::UnknownType(given) => {
                Self::invalid().field("message_type", service_http::text::not_a_choice(&given))
            }
            ChatError::LocationIncomplete => {
                Self::invalid().field("lat", service_http::text::required())
            }
            ChatError::CursorInvalid => Self::not_found("chat.cursor_invalid", "Invalid cursor"),
            ChatError::NothingToSummarize => Self::unprocessable(
                "chat.nothing_to_summarize",
                Text::i18n(
                    "پیامی برای خلاصه کردن نیست.",
                    "Il n'y a aucun message à résumer.",
                    "There is no message to summarise.",
                ),
            ),
            ChatError::PatientUnclear => Self::invalid().field(
                "patient_user_id",
                Text::i18n(
                    "بیمار این گفت‌وگو روشن نیست؛ شناسهٔ او را بفرستید.",
                    "Le patient de cette conversation n'est pas clair ; envoyez son identifiant.",
                    "It is not clear who the patient of this conversation is; send the id.",
                ),
            ),
            ChatError::JobNotFound => Self::no_match("chat.summary_job_not_found", "SummaryJob"),
            ChatError::SummaryNotFound => Self::no_match("chat.summary_not_found", "ChatSummary"),
            ChatError::Db(cause) => cause.into(),
            ChatError::Query(cause) => cause.into(),
            ChatError::Unexpected(cause) => cause.into(),
        }
    }
}
