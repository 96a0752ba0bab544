use chrono::{DateTime, Utc};
use common_types::Money;
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use service_db::crash_point;
use service_events::HandlerError;
use uuid::Uuid;

use crate::{
    clinic,
    ledger::{self, AccountKey, LedgerError, Leg, Posting, TransferKind},
    schema::bookings,
};

/// A recorded payment as it stands now; an amount of zero means that it was voided.
pub(super) struct Recorded<'a> {
    pub(super) id: Uuid,
    pub(super) organization_id: Uuid,
    pub(super) version: i64,
    pub(super) price: Money,
    pub(super) method: &'a str,
    pub(super) invoice_id: Uuid,
    /// The online payment behind it, which settling has booked already.
    pub(super) online: Option<Uuid>,
}

/// Brings the ledger to this version of the recorded payment. Older versions change nothing.
pub(super) async fn book(
    conn: &mut AsyncPgConnection,
    recorded: &Recorded<'_>,
    now: DateTime<Utc>,
) -> Result<(), HandlerError> {
    if recorded.price.amount < 0 {
        return Err(HandlerError::Poison(format!(
            "amount {}",
            recorded.price.amount
        )));
    }
    let Some(earlier) = lock(conn, recorded, now).await? else {
        return Ok(());
    };
    if let Some(transfer) = earlier {
        ledger::reverse(conn, transfer, "amended", now)
            .await
            .map_err(refused)?;
    }
    let mut transfer = None;
    if recorded.price.amount > 0 && recorded.online.is_none() {
        let price = recorded
            .price
            .normalized()
            .map_err(|error| HandlerError::Poison(error.to_string()))?;
        let till = AccountKey::till(recorded.organization_id, recorded.method, price.currency);
        let receipts = AccountKey::invoice_receipts(recorded.organization_id, price.currency);
        let posting = Posting {
            organization_id: recorded.organization_id,
            kind: TransferKind::RecordedPayment,
            reference: format!("{}:{}", recorded.id, recorded.version),
            description: String::new(),
            legs: Leg::pair(till, receipts, price.amount),
        };
        transfer = Some(ledger::post(conn, &posting, now).await.map_err(refused)?);
    }
    diesel::update(bookings::table.find(recorded.id))
        .set((
            bookings::version.eq(recorded.version),
            bookings::transfer_id.eq(transfer),
            bookings::invoice_id.eq(recorded.invoice_id),
            bookings::amount.eq(recorded.price.amount),
            recorded
                .online
                .map(|online| bookings::online_payment_id.eq(online)),
            bookings::updated_at.eq(now),
        ))
        .execute(conn)
        .await?;
    crash_point!("booking.before_commit");
    clinic::watch_invoice(conn, recorded.invoice_id, now).await?;
    Ok(())
}

/// Takes the booking's row; answers its transfer, or `None` when it is at this version already.
async fn lock(
    conn: &mut AsyncPgConnection,
    recorded: &Recorded<'_>,
    now: DateTime<Utc>,
) -> QueryResult<Option<Option<Uuid>>> {
    diesel::insert_into(bookings::table)
        .values((
            bookings::recorded_payment_id.eq(recorded.id),
            bookings::organization_id.eq(recorded.organization_id),
            bookings::version.eq(0),
            bookings::updated_at.eq(now),
        ))
        .on_conflict_do_nothing()
        .execute(conn)
        .await?;
    let (version, transfer): (i64, Option<Uuid>) = bookings::table
        .find(recorded.id)
        .for_update()
        .select((bookings::version, bookings::transfer_id))
        .first(conn)
        .await?;
    Ok((version < recorded.version).then_some(transfer))
}

fn refused(error: LedgerError) -> HandlerError {
    match error {
        LedgerError::Database(error) => error.into(),
        other => HandlerError::Poison(other.to_string()),
    }
}
