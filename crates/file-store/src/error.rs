//! What can go wrong with a file.

/// What can go wrong with a file. No variant holds content.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// No file of that path.
    #[error("file not found")]
    NotFound,
    /// A file of that path exists already.
    #[error("file exists already")]
    Exists,
    /// The path is not of plain segments.
    #[error("invalid path")]
    Path,
    /// The upload has no bytes.
    #[error("empty file")]
    Empty,
    /// The upload is larger than its kind may be.
    #[error("file is larger than {max_bytes} bytes")]
    TooLarge {
        /// The most that was allowed.
        max_bytes: u64,
    },
    /// The content is of a type that its kind does not take.
    #[error("file type is not allowed")]
    TypeRefused {
        /// What the content is, when it is known.
        detected: Option<&'static str>,
    },
    /// The uploader went away or sent something unreadable.
    #[error("upload interrupted")]
    Interrupted,
    /// The range starts behind the end, or ends before it starts.
    #[error("range not satisfiable")]
    Range {
        /// The file's length.
        length: u64,
    },
    /// The stored bytes were changed, cut, swapped or moved.
    #[error("file is damaged")]
    Damaged,
    /// The file is sealed under a key that is not in the settings.
    #[error("file is sealed under an unknown key")]
    UnknownKey,
    /// The settings do not make a store.
    #[error("file store settings: {0}")]
    Settings(String),
    /// The store itself failed.
    #[error("file store failed")]
    Store(#[source] object_store::Error),
}

impl From<object_store::Error> for FileError {
    fn from(error: object_store::Error) -> Self {
        match error {
            object_store::Error::NotFound { .. } => Self::NotFound,
            object_store::Error::AlreadyExists { .. } => Self::Exists,
            object_store::Error::InvalidPath { .. } => Self::Path,
            other => Self::Store(other),
        }
    }
}
