use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use common_types::{
    Currency,
    events::payments::{WalletCredited, WalletDebited},
};
use diesel_async::AsyncPgConnection;
use service_db::crash_point;
use service_events::outbox::{self, NewEvent};
use tracing::Span;
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

/// A transfer as it is written.
struct Transfer<'a> {
    id: Uuid,
    organization_id: Uuid,
    kind: &'a str,
    reference: &'a str,
    description: &'a str,
    lines: Vec<Line>,
    /// The request that asked for it, in whose trace it is told.
    span: Span,
}

/// An account's key and the row of it that is meant.
type Row<'a> = (&'a AccountKey, i16);

fn row_of<'a>(posting: &Posting, leg: &'a Leg) -> Row<'a> {
    (&leg.account, leg.account.shard(&posting.reference))
}

/// The ids of these rows; those that did not exist are opened empty.
async fn open_accounts<'a>(
    conn: &mut AsyncPgConnection,
    mut rows: Vec<Row<'a>>,
    now: DateTime<Utc>,
) -> Result<BTreeMap<Row<'a>, Uuid>, LedgerError> {
    // One order for all, so that two who open the same accounts do not wait for each other in a circle.
    rows.sort_unstable();
    rows.dedup();
    let mut found = store::find_accounts(conn, &rows).await?;
    if found.len() < rows.len() {
        for (position, (key, shard)) in rows.iter().enumerate() {
            if !found.contains_key(&position) {
                store::insert_account(conn, key, *shard, now).await?;
            }
        }
        found = store::find_accounts(conn, &rows).await?;
    }
    rows.into_iter()
        .enumerate()
        .map(|(position, row)| Some((row, *found.get(&position)?)))
        .collect::<Option<_>>()
        .ok_or_else(missing)
}

/// An account was not there although it was opened.
fn missing() -> LedgerError {
    LedgerError::Database(diesel::result::Error::NotFound)
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
    let one = [(posting, Span::current())];
    let ids = post_all(conn, &one, now).await?;
    ids.first().copied().ok_or(LedgerError::Unbalanced)
}

/// [`post`] for many transfers by the same few statements: their lines are in the statements of their accounts as if they
/// had been booked one after the other in this order. Each is told in the trace of the request in whose span it is.
///
/// # Errors
/// See [`LedgerError`]; then none is booked.
pub(crate) async fn post_all(
    conn: &mut AsyncPgConnection,
    postings: &[(&Posting, Span)],
    now: DateTime<Utc>,
) -> Result<Vec<Uuid>, LedgerError> {
    let rows: Vec<Row<'_>> = postings
        .iter()
        .flat_map(|(posting, _)| posting.legs.iter().map(|leg| row_of(posting, leg)))
        .collect();
    let accounts = open_accounts(conn, rows, now).await?;
    let mut transfers = Vec::with_capacity(postings.len());
    for (posting, span) in postings {
        let lines = posting.legs.iter().map(|leg| {
            Ok(Line {
                account: *accounts.get(&row_of(posting, leg)).ok_or_else(missing)?,
                amount: leg.amount,
                currency: leg.account.currency.code().to_owned(),
                wallet_of: leg.account.wallet_owner(),
            })
        });
        transfers.push(Transfer {
            id: Uuid::now_v7(),
            organization_id: posting.organization_id,
            kind: posting.kind.as_str(),
            reference: &posting.reference,
            description: &posting.description,
            lines: lines.collect::<Result<_, LedgerError>>()?,
            span: span.clone(),
        });
    }
    write(conn, &transfers, now).await?;
    Ok(transfers.iter().map(|transfer| transfer.id).collect())
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
    let (organization_id, mut lines) = found.ok_or(LedgerError::UnknownTransfer)?;
    for line in &mut lines {
        line.amount = line.amount.checked_neg().ok_or(LedgerError::Unbalanced)?;
    }
    let opposite = Transfer {
        id: Uuid::now_v7(),
        organization_id,
        kind: TransferKind::Reversal.as_str(),
        reference: &transfer.to_string(),
        description,
        lines,
        span: Span::current(),
    };
    write(conn, std::slice::from_ref(&opposite), now).await?;
    Ok(opposite.id)
}

async fn write(
    conn: &mut AsyncPgConnection,
    transfers: &[Transfer<'_>],
    now: DateTime<Utc>,
) -> Result<(), LedgerError> {
    for transfer in transfers {
        check(&transfer.lines)?;
    }
    let rows = transfers.iter().map(|transfer| store::NewTransfer {
        id: transfer.id,
        organization_id: transfer.organization_id,
        kind: transfer.kind,
        reference: transfer.reference,
        description: transfer.description,
        created_at: now,
    });
    store::insert_transfers(conn, rows.collect()).await?;
    crash_point!("ledger.after_transfer");
    let mut lines: Vec<(Uuid, &Line)> = transfers
        .iter()
        .flat_map(|transfer| transfer.lines.iter().map(|line| (transfer.id, line)))
        .collect();
    // The order of the accounts' ids is the order of their locks; within an account the transfers keep theirs.
    lines.sort_by_key(|(_, line)| line.account);
    let written = store::insert_entries(conn, &lines, now).await?;
    crash_point!("ledger.after_entries");
    tell_wallets(conn, transfers, &written, now).await
}

/// Emits what happened to the wallets among the lines, each under its statement's line.
async fn tell_wallets(
    conn: &mut AsyncPgConnection,
    transfers: &[Transfer<'_>],
    written: &[store::Written],
    now: DateTime<Utc>,
) -> Result<(), LedgerError> {
    let mut events = Vec::new();
    for entry in written {
        let transfer = transfers.iter().find(|one| one.id == entry.transfer_id);
        let Some(transfer) = transfer else { continue };
        let mut lines = transfer.lines.iter();
        let line = lines.find(|line| line.account == entry.account_id);
        if let Some((line, owner)) = line.and_then(|line| Some((line, line.wallet_of?))) {
            let told = || wallet_event(transfer, (line, owner), entry, now);
            events.push(transfer.span.in_scope(told)?);
        }
    }
    Ok(outbox::emit_all(conn, events).await?)
}

fn wallet_event(
    transfer: &Transfer<'_>,
    (line, owner): (&Line, Uuid),
    entry: &store::Written,
    now: DateTime<Utc>,
) -> diesel::QueryResult<NewEvent> {
    let currency = line.currency.parse().unwrap_or(Currency::Irr);
    let organization_id = transfer.organization_id;
    let (wallet_id, aggregate_version) = (entry.account_id, entry.line);
    let (balance_after, kind) = (entry.balance_after, transfer.kind.to_owned());
    let reference = transfer.reference.to_owned();
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
        NewEvent::of(SERVICE, &event, now)
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
        NewEvent::of(SERVICE, &event, now)
    }
}

fn check(lines: &[Line]) -> Result<(), LedgerError> {
    let mut sums = BTreeMap::<&str, i128>::new();
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
