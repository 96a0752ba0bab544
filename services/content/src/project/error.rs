//! Refusals of projects.

use service_db::DbError;
use service_http::ApiError;

use crate::wire::invalid_pk;

/// Why a project was not shown or changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProjectError {
    /// No project of that number in the organisation.
    #[error("no such project")]
    NotFound,
    /// No workspace of that number in the organisation.
    #[error("no such workspace")]
    UnknownWorkspace(i64),
    /// The workspace has a project of that slug.
    #[error("the slug is taken")]
    SlugTaken,
    /// Contents still belong to it.
    #[error("the project has contents")]
    InUse,
    /// The database did not answer.
    #[error(transparent)]
    Database(#[from] DbError),
    /// A statement failed.
    #[error(transparent)]
    Query(diesel::result::Error),
}

impl From<diesel::result::Error> for ProjectError {
    fn from(error: diesel::result::Error) -> Self {
        match service_db::violated(&error) {
            Some("projects_workspace_slug") => Self::SlugTaken,
            Some("contents_project_id_fkey") => Self::InUse,
            _ => Self::Query(error),
        }
    }
}

impl From<ProjectError> for ApiError {
    fn from(error: ProjectError) -> Self {
        match error {
            ProjectError::NotFound => Self::no_match("project.not_found", "Project"),
            ProjectError::UnknownWorkspace(number) => invalid_pk("workspace", number),
            ProjectError::SlugTaken => Self::invalid().field(
                "non_field_errors",
                "The fields workspace, slug must make a unique set.",
            ),
            ProjectError::InUse => Self::conflict("project.in_use", "").i18n(
                "این پروژه محتوا دارد و حذف نمی‌شود.",
                "Ce projet contient des contenus et ne peut être supprimé.",
                "The project has contents and cannot be deleted.",
            ),
            ProjectError::Database(error) => error.into(),
            ProjectError::Query(error) => error.into(),
        }
    }
}
