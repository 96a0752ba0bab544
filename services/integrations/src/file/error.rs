//! Refusals of the file routes.

use actix_web::http::StatusCode;
use file_store::FileError;
use service_http::{ApiError, Text};

/// Why a file was not taken or not given.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UploadError {
    #[error("no file store is configured")]
    NotConfigured,
    #[error("no such file")]
    Missing,
    #[error("no file was sent")]
    NoFile,
    #[error("the file is empty")]
    Empty,
    #[error("the file is larger than {0} bytes")]
    TooLarge(u64),
    #[error("the type {0:?} is not taken")]
    TypeRefused(Option<&'static str>),
    #[error("the upload was interrupted")]
    Interrupted,
    #[error("the scanner found something")]
    Infected,
    #[error("the scanner does not answer: {0}")]
    ScannerAway(String),
    #[error("the range lies outside of {0} bytes")]
    Range(u64),
    #[error("the ticket is not good")]
    BadTicket,
    #[error(transparent)]
    Unexpected(#[from] anyhow::Error),
}

impl From<service_db::DbError> for UploadError {
    fn from(error: service_db::DbError) -> Self {
        Self::Unexpected(error.into())
    }
}

impl From<diesel::result::Error> for UploadError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Unexpected(error.into())
    }
}

impl From<FileError> for UploadError {
    fn from(error: FileError) -> Self {
        match error {
            FileError::Empty => Self::Empty,
            FileError::TooLarge { max_bytes } => Self::TooLarge(max_bytes),
            FileError::TypeRefused { detected } => Self::TypeRefused(detected),
            FileError::Interrupted => Self::Interrupted,
            FileError::NotFound => Self::Missing,
            FileError::Range { length } => Self::Range(length),
            other @ (FileError::Exists
            | FileError::Path
            | FileError::Damaged
            | FileError::UnknownKey
            | FileError::Settings(_)
            | FileError::Store(_)) => Self::Unexpected(other.into()),
        }
    }
}

impl From<UploadError> for ApiError {
    fn from(error: UploadError) -> Self {
        let field = |message: Text| Self::invalid().field("file", message);
        let away = |code| {
            Self::unavailable(
                code,
                Text::i18n(
                    "اکنون نمی‌توان فایل را پذیرفت.",
                    "Les fichiers ne peuvent être traités pour le moment.",
                    "Files cannot be handled at the moment.",
                ),
            )
        };
        match error {
            UploadError::NotConfigured => away("file.not_configured"),
            UploadError::Missing => Self::no_match("file.not_found", "File"),
            UploadError::NoFile => field("No file was submitted.".into()),
            UploadError::Empty => field(Text::i18n(
                "فایل خالی است.",
                "Le fichier soumis est vide.",
                "The submitted file is empty.",
            )),
            UploadError::TooLarge(max_bytes) => {
                let megabytes = max_bytes / (1024 * 1024);
                field(Text::i18n(
                    format!("حداکثر حجم این نوع فایل {megabytes} مگابایت است."),
                    format!("Un fichier de ce type a au plus {megabytes} Mo."),
                    format!("A file of this type may have at most {megabytes} MB."),
                ))
            }
            UploadError::TypeRefused(_) => field(Text::i18n(
                "این نوع فایل پذیرفته نمی‌شود.",
                "Ce type de fichier n'est pas accepté.",
                "This type of file is not accepted.",
            )),
            UploadError::Infected => field(Text::i18n(
                "در فایل بدافزار یافت شد.",
                "Un logiciel malveillant a été trouvé dans le fichier.",
                "Malware was found in the file.",
            )),
            UploadError::Interrupted => {
                Self::bad_request("file.interrupted", "The upload was interrupted.")
            }
            UploadError::ScannerAway(cause) => {
                away("file.scanner_away").caused_by(anyhow::anyhow!(cause))
            }
            UploadError::Range(length) => Self::new(
                StatusCode::RANGE_NOT_SATISFIABLE,
                "file.range",
                "Range not satisfiable.",
            )
            .header("content-range", format!("bytes */{length}")),
            UploadError::BadTicket => Self::not_found("file.ticket", "Not found."),
            UploadError::Unexpected(cause) => Self::internal(cause),
        }
    }
}
