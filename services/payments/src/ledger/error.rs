use diesel::result::Error as DieselError;
use service_db::violated;

/// Why a transfer was not booked.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// An account with a floor would fall below it.
    #[error("insufficient funds")]
    InsufficientFunds,
    /// This (kind, reference) is booked already.
    #[error("already booked")]
    AlreadyBooked,
    /// The legs do not sum to zero, are fewer than two, or are zero.
    #[error("the transfer is not balanced")]
    Unbalanced,
    /// There is no such transfer.
    #[error("no such transfer")]
    UnknownTransfer,
    /// The database refused for another reason.
    #[error(transparent)]
    Database(DieselError),
}

impl From<DieselError> for LedgerError {
    fn from(error: DieselError) -> Self {
        match violated(&error) {
            Some("ledger_accounts_floor") => Self::InsufficientFunds,
            Some("ledger_transfers_reference") => Self::AlreadyBooked,
            Some(
                "ledger_transfers_zero_sum"
                | "ledger_transfers_two_entries"
                | "ledger_entries_amount"
                | "ledger_entries_closed_transfer",
            ) => Self::Unbalanced,
            _ => Self::Database(error),
        }
    }
}
