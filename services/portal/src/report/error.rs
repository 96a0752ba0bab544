//! What can go wrong with reports.

use serde_json::json;
use service_db::DbError;
use service_http::{ApiError, Text};

/// A refusal or failure.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReportError {
    /// No such report for staff of this organisation.
    #[error("no such report")]
    NotFound,
    /// For a patient: not theirs, not active, expired or not there; nobody learns which.
    #[error("not accessible")]
    NotAccessible,
    /// The row is there, the file is not.
    #[error("the file is missing")]
    FileMissing,
    /// No file in the upload.
    #[error("no file")]
    NoFile,
    /// The file has no bytes.
    #[error("empty file")]
    EmptyFile,
    /// Neither PDF nor JPEG nor PNG, by content.
    #[error("type refused")]
    TypeRefused,
    /// More than so many bytes.
    #[error("too large")]
    TooLarge(u64),
    /// The upload broke off.
    #[error("interrupted")]
    Interrupted,
    /// `patient_access` is missing.
    #[error("no keys named")]
    AccessRequired,
    /// No such key set in this organisation.
    #[error("no such keys")]
    AccessNotFound,
    /// The keys are switched off.
    #[error("keys invalid")]
    AccessInvalid,
    /// No paid invoice has these keys (R08).
    #[error("no invoice with these keys")]
    NoMatch,
    /// A range outside the file of that length.
    #[error("range not satisfiable")]
    Range(u64),
    /// The request itself is refused.
    #[error(transparent)]
    Refused(ApiError),
    /// Anything unexpected.
    #[error(transparent)]
    Unexpected(#[from] anyhow::Error),
}

impl From<diesel::result::Error> for ReportError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Unexpected(DbError::Query(error).into())
    }
}

impl From<DbError> for ReportError {
    fn from(error: DbError) -> Self {
        Self::Refused(error.into())
    }
}

fn at_file(code: &'static str, text: &str) -> ApiError {
    ApiError::bad_request(code, text).field("report_file", text)
}

fn literal(error: ApiError, text: &str) -> ApiError {
    error.contract(json!({ "error": text }))
}

impl From<ReportError> for ApiError {
    fn from(error: ReportError) -> Self {
        match error {
            ReportError::NotFound => Self::no_match("report.not_found", "PatientReport"),
            ReportError::NotAccessible => {
                let text = "Ce rapport n'est plus accessible";
                let detail = Text::i18n(
                    "این گزارش دیگر در دسترس نیست.",
                    text,
                    "This report is no longer accessible.",
                );
                literal(Self::not_found("report.not_accessible", detail), text)
            }
            ReportError::FileMissing => {
                let text = "Fichier temporairement indisponible";
                let detail = Text::i18n(
                    "فایل موقتاً در دسترس نیست.",
                    text,
                    "The file is temporarily unavailable.",
                );
                literal(Self::not_found("report.file_missing", detail), text)
            }
            ReportError::NoFile => at_file("report.no_file", "Aucun fichier n'a été soumis."),
            ReportError::EmptyFile => at_file("report.empty_file", "Le fichier soumis est vide."),
            ReportError::TypeRefused => at_file(
                "report.type_refused",
                "Type de fichier non autorisé. Formats acceptés : PDF, JPG, PNG.",
            ),
            ReportError::TooLarge(bytes) => at_file(
                "report.too_large",
                &format!(
                    "Le fichier dépasse la taille maximale de {} Mo.",
                    bytes / 1_048_576
                ),
            ),
            ReportError::Interrupted => {
                at_file("report.interrupted", "Le téléversement a été interrompu.")
            }
            ReportError::AccessRequired => {
                let text = "Le champ patient_access est obligatoire.";
                Self::bad_request("report.access_required", text).field("patient_access", text)
            }
            ReportError::AccessNotFound => {
                let text = "Aucun accès patient trouvé avec cet ID";
                Self::bad_request("report.access_not_found", text).field("patient_access", text)
            }
            ReportError::AccessInvalid => {
                let text = "L'accès patient associé n'est pas valide";
                literal(Self::unprocessable("report.access_invalid", text), text)
            }
            ReportError::NoMatch => {
                let text = "Aucune facture trouvée avec ces clés";
                literal(
                    Self::unprocessable("report.no_matching_invoice", text),
                    text,
                )
            }
            ReportError::Range(length) => Self::new(
                actix_web::http::StatusCode::RANGE_NOT_SATISFIABLE,
                "report.range",
                "Plage non satisfaisable.",
            )
            .header("Content-Range", format!("bytes */{length}")),
            ReportError::Refused(error) => error,
            ReportError::Unexpected(cause) => Self::internal(cause),
        }
    }
}
