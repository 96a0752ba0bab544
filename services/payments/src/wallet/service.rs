use chrono::{DateTime, Utc};
use common_types::Money;
use diesel_async::AsyncPgConnection;
use uuid::Uuid;

use crate::ledger::{AccountKey, LedgerError, Leg, Posting, TransferKind, post};

/// Pays `price` from a wallet for a service of the platform, in the caller's transaction. The
/// condition and the change are one statement, so parallel spends never take more than there is.
///
/// # Errors
/// [`LedgerError::InsufficientFunds`]; [`LedgerError::AlreadyBooked`] for a reference that was paid
/// before; [`LedgerError::Unbalanced`] for an amount of zero or less.
pub async fn spend(
    conn: &mut AsyncPgConnection,
    (organization_id, owner): (Uuid, Uuid),
    price: Money,
    reference: &str,
    now: DateTime<Utc>,
) -> Result<Uuid, LedgerError> {
    if price.amount <= 0 {
        return Err(LedgerError::Unbalanced);
    }
    let wallet = AccountKey::wallet(organization_id, owner, price.currency);
    let income = AccountKey::service_income(organization_id, price.currency);
    let posting = Posting {
        organization_id,
        kind: TransferKind::WalletSpend,
        reference: reference.to_owned(),
        description: String::new(),
        legs: Leg::pair(wallet, income, price.amount),
    };
    post(conn, &posting, now).await
}
