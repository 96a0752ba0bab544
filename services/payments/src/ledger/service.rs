use chrono::{DateTime, Utc};
use common_types::{
    Currency,
    events::payments::{WalletCredited, WalletDebited},
};
use diesel_async::AsyncPgConnection;
use service_db::crash_point;
use service_events::outbox;
use uuid::Uuid;

use super::{
    AccountKey, LedgerError, Leg, TransferKind,
    store::{self, Line},
};
use crate::SERVICE;

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

/// The rows of the accounts, in their order; those that did not exist are opened empty.
async fn open_accounts(
    conn: &mut AsyncPgConnection,
    keys: &[(&AccountKey, i16)],
    now: DateTime<Utc>,
) -> Result<Vec<Uuid>, LedgerError> {
    let mut found = store::find_accounts(conn, keys).await?;
    if found.len() < keys.len() {
        for (position, (key, shard)) in keys.iter().enumerate() {
            if !found.contains_key(&position) {
                store::insert_account(conn, key, *shard, now).await?;
            }
        }
        found = store::find_accounts(conn, keys).await?;
    }
    (0..keys.len())
        .map(|position| found.get(&position).copied())
        .collect::<Option<_>>()
        .ok_or(LedgerError::Database(diesel::result::Error::NotFound))
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
    let keys: Vec<(&AccountKey, i16)> = posting
        .legs
        .iter()
        .map(|leg| (&leg.account, leg.account.shard(&posting.reference)))
        .collect();
    let accounts = open_accounts(conn, &keys, now).await?;
    let lines = accounts.into_iter().zip(&posting.legs);
    let lines = lines
        .map(|(account, leg)| Line {
            account,
            amount: leg.amount,
            currency: leg.account.currency.code().to_owned(),
            wallet_of: leg.account.wallet_owner(),
        })
        .collect();
    let words = (
        posting.kind.as_str(),
        posting.reference.as_str(),
        posting.description.as_str(),
    );
    write(conn, posting.organization_id, words, lines, now).await
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
    let (organization, mut lines) = found.ok_or(LedgerError::UnknownTransfer)?;
    for line in &mut lines {
        line.amount = line.amount.checked_neg().ok_or(LedgerError::Unbalanced)?;
    }
    let reference = transfer.to_string();
    let words = (
        TransferKind::Reversal.as_str(),
        reference.as_str(),
        description,
    );
    write(conn, organization, words, lines, now).await
}

async fn write(
    conn: &mut AsyncPgConnection,
    organization: Uuid,
    words: (&str, &str, &str),
    mut lines: Vec<Line>,
    now: DateTime<Utc>,
) -> Result<Uuid, LedgerError> {
    check(&lines)?;
    // The order of the accounts' ids is the order of their locks.
    lines.sort_by_key(|line| line.account);
    let id = Uuid::now_v7();
    store::insert_transfer(conn, id, organization, words, now).await?;
    crash_point!("ledger.after_transfer");
    let written = store::insert_entries(conn, id, &lines, now).await?;
    crash_point!("ledger.after_entries");
    tell_wallets(conn, organization, words, &lines, &written, now).await?;
    Ok(id)
}

/// Emits what happened to the wallets among the lines, each under its statement's line.
async fn tell_wallets(
    conn: &mut AsyncPgConnection,
    organization_id: Uuid,
    (kind, reference, _): (&str, &str, &str),
    lines: &[Line],
    written: &[store::Written],
    now: DateTime<Utc>,
) -> Result<(), LedgerError> {
    for entry in written {
        let line = lines.iter().find(|line| line.account == entry.account_id);
        let Some((line, owner)) = line.and_then(|line| Some((line, line.wallet_of?))) else {
            continue;
        };
        let currency = line.currency.parse().unwrap_or(Currency::Irr);
        let (wallet_id, aggregate_version) = (entry.account_id, entry.line);
        let (balance_after, kind) = (entry.balance_after, kind.to_owned());
        let reference = reference.to_owned();
        if entry.amount > 0 {
            let event = WalletCredited {
                wallet_id,
                aggregate_version,
                organization_id,
                owner,
                amount: entry.amount,
                balance_after,
                currency,
                kind,
                reference,
                credited_at: now,
            };
            outbox::emit(conn, SERVICE, &event, now).await?;
        } else {
            let event = WalletDebited {
                wallet_id,
                aggregate_version,
                organization_id,
                owner,
                amount: entry.amount.saturating_neg(),
                balance_after,
                currency,
                kind,
                reference,
                debited_at: now,
            };
            outbox::emit(conn, SERVICE, &event, now).await?;
        }
    }
    Ok(())
}

fn check(lines: &[Line]) -> Result<(), LedgerError> {
    let mut sums = std::collections::BTreeMap::<&str, i128>::new();
    for line in lines {
        *sums.entry(&line.currency).or_default() += i128::from(line.amount);
    }
    let balanced = sums.values().all(|sum| *sum == 0);
    let moving = lines.iter().all(|line| line.amount != 0);
    if lines.len() < 2 || !balanced || !moving {
        Err(LedgerError::Unbalanced)
    } else {
        Ok(())
    }
}
