use chrono::{DateTime, Utc};
use diesel_async::AsyncPgConnection;
use uuid::Uuid;

use super::{AccountKey, AccountRow, LedgerError, Leg, TransferKind, store};

/// A transfer to be booked.
#[derive(Debug, Clone)]
pub struct Posting {
    /// The organisation in whose book it stands.
    pub organization_id: Uuid,
    /// Why.
    pub kind: TransferKind,
    /// Unique within the kind.
    pub reference: String,
    /// In words.
    pub description: String,
    /// At least two, summing to zero per currency.
    pub legs: Vec<Leg>,
}

/// The account, opened empty when it did not exist.
///
/// # Errors
/// When the database refuses.
pub async fn open_account(
    conn: &mut AsyncPgConnection,
    key: &AccountKey,
    now: DateTime<Utc>,
) -> Result<AccountRow, LedgerError> {
    if let Some(account) = store::find_account(conn, key).await? {
        return Ok(account);
    }
    store::insert_account(conn, key, now).await?;
    let account = store::find_account(conn, key).await?;
    account.ok_or(LedgerError::Database(diesel::result::Error::NotFound))
}

/// Books a transfer in the caller's transaction and answers its id. Balances move with it, in the
/// order of the accounts' ids, so that opposite transfers do not wait for each other in a circle.
///
/// An error leaves the transaction unusable, as any error of a statement does.
///
/// # Errors
/// See [`LedgerError`]. A sum other than zero is found here, and again by the database at commit.
pub async fn post(
    conn: &mut AsyncPgConnection,
    posting: &Posting,
    now: DateTime<Utc>,
) -> Result<Uuid, LedgerError> {
    let mut legs = Vec::with_capacity(posting.legs.len());
    for leg in &posting.legs {
        let account = open_account(conn, &leg.account, now).await?;
        legs.push((account.id, leg.amount, account.currency));
    }
    let words = (
        posting.kind.as_str(),
        posting.reference.as_str(),
        posting.description.as_str(),
    );
    write(conn, posting.organization_id, words, legs, now).await
}

/// Books the opposite of a transfer. A transfer is taken back at most once.
///
/// # Errors
/// [`LedgerError::UnknownTransfer`], [`LedgerError::AlreadyBooked`] when it was taken back before,
/// [`LedgerError::InsufficientFunds`] when a wallet no longer has the money.
pub async fn reverse(
    conn: &mut AsyncPgConnection,
    transfer: Uuid,
    description: &str,
    now: DateTime<Utc>,
) -> Result<Uuid, LedgerError> {
    let found = store::find_transfer(conn, transfer).await?;
    let (organization, mut legs) = found.ok_or(LedgerError::UnknownTransfer)?;
    for (_, amount, _) in &mut legs {
        *amount = amount.checked_neg().ok_or(LedgerError::Unbalanced)?;
    }
    let reference = transfer.to_string();
    let words = (
        TransferKind::Reversal.as_str(),
        reference.as_str(),
        description,
    );
    write(conn, organization, words, legs, now).await
}

async fn write(
    conn: &mut AsyncPgConnection,
    organization: Uuid,
    words: (&str, &str, &str),
    mut legs: Vec<(Uuid, i64, String)>,
    now: DateTime<Utc>,
) -> Result<Uuid, LedgerError> {
    check(&legs)?;
    legs.sort();
    let id = Uuid::now_v7();
    store::insert_transfer(conn, id, organization, words, now).await?;
    for (account, amount, currency) in &legs {
        store::insert_entry(conn, id, *account, (*amount, currency), now).await?;
    }
    Ok(id)
}

fn check(legs: &[(Uuid, i64, String)]) -> Result<(), LedgerError> {
    let mut sums = std::collections::BTreeMap::<&str, i128>::new();
    for (_, amount, currency) in legs {
        *sums.entry(currency).or_default() += i128::from(*amount);
    }
    let balanced = sums.values().all(|sum| *sum == 0);
    let moving = legs.iter().all(|(_, amount, _)| *amount != 0);
    if legs.len() < 2 || !balanced || !moving {
        Err(LedgerError::Unbalanced)
    } else {
        Ok(())
    }
}
