use diesel::result::Error as DieselError;

/// Why the database could not be asked or did not answer.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// No connection became free in time (all in use, or the server does not accept new ones).
    #[error("no database connection within {0} ms")]
    Timeout(u128),
    /// A connection could not be made.
    #[error("database connection failed: {0}")]
    Connect(String),
    /// A statement failed.
    #[error(transparent)]
    Query(#[from] DieselError),
}

impl DbError {
    /// Whether the same work may succeed later without anyone changing anything.
    pub fn is_unavailable(&self) -> bool {
        match self {
            Self::Timeout(_) | Self::Connect(_) => true,
            Self::Query(error) => is_connection_error(error),
        }
    }
}

/// The name of the constraint that a statement violated (unique, foreign key, check, exclusion,
/// not null), or `None` for any other error.
///
/// ```
/// let other = diesel::result::Error::NotFound;
/// assert_eq!(service_db::violated(&other), None);
/// ```
pub fn violated(error: &DieselError) -> Option<&str> {
    match error {
        DieselError::DatabaseError(_, information) => information.constraint_name(),
        _ => None,
    }
}

/// Whether the transaction may be run again as it is: 40001 (serialization failure) or 40P01
/// (deadlock, which diesel does not name: it is told by the server's own words).
pub(crate) fn is_conflict(error: &DieselError) -> bool {
    use diesel::result::DatabaseErrorKind::SerializationFailure;
    match error {
        DieselError::DatabaseError(SerializationFailure, _) => true,
        DieselError::DatabaseError(_, information) => {
            information.message().starts_with("deadlock detected")
        }
        _ => false,
    }
}

/// Whether the connection, not the statement, is at fault.
pub(crate) fn is_connection_error(error: &DieselError) -> bool {
    use diesel::result::DatabaseErrorKind::{ClosedConnection, UnableToSendCommand};
    match error {
        DieselError::DatabaseError(ClosedConnection | UnableToSendCommand, _) => true,
        DieselError::DatabaseError(_, information) => {
            let message = information.message();
            message.starts_with("terminating connection")
                || message.starts_with("the database system is")
                || message.starts_with("connection closed")
        }
        DieselError::BrokenTransactionManager => true,
        _ => false,
    }
}
