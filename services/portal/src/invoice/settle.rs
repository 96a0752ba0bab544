//! What payments make of an invoice: its state, and at `paid` the patient's keys (R09, R10, INV5).

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use common_types::events::portal::InvoiceStatusChanged;
use diesel::{
    prelude::*,
    sql_query,
    sql_types::{Array, BigInt, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use service_events::outbox;
use uuid::Uuid;

use super::{
    InvoiceError,
    model::state_by_money,
    store::{self, InvoiceRow},
};
use crate::{
    access, clinic, patient,
    state::{AppState, SERVICE},
    web::{Act, Who},
};

/// Sums of an invoice's completed payments, minor units.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    /// Amounts less refunds; discounts are contained in amounts (cimef.md flag 15).
    pub(crate) paid: i64,
    /// Discounts.
    pub(crate) discount: i64,
}

impl Totals {
    /// Still to be paid.
    pub(crate) fn remaining(self, total: i64) -> i64 {
        (total - self.paid).max(0)
    }
}

#[derive(QueryableByName)]
struct Sum {
    #[diesel(sql_type = SqlUuid)]
    invoice_id: Uuid,
    #[diesel(sql_type = BigInt)]
    paid: i64,
    #[diesel(sql_type = BigInt)]
    discount: i64,
}

/// Sums per invoice; those without payments are absent.
///
/// # Errors
/// When the database refuses.
pub(crate) async fn totals(
    conn: &mut AsyncPgConnection,
    organization: Uuid,
    invoices: &[Uuid],
) -> QueryResult<HashMap<Uuid, Totals>> {
    let rows: Vec<Sum> = sql_query(
        "SELECT invoice_id, sum(amount - refunded_amount)::bigint AS paid, sum(discount_amount)::bigint AS discount \
         FROM recorded_payments WHERE organization_id = $1 AND invoice_id = ANY($2) \
         AND status IN ('completed', 'refunded') AND voided_at IS NULL GROUP BY invoice_id",
    )
    .bind::<SqlUuid, _>(organization)
    .bind::<Array<SqlUuid>, _>(invoices)
    .load(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            (
                row.invoice_id,
                Totals {
                    paid: row.paid,
                    discount: row.discount,
                },
            )
        })
        .collect())
}

/// Brings the state of a locked invoice in line with its payments. Money that arrived counts whatever the state was; without
/// money, drafts and cancelled invoices stay what they are. At `paid` the keys are made, linked and handed out.
///
/// # Errors
/// When the database or the hasher fails.
pub(crate) async fn reevaluate(
    conn: &mut AsyncPgConnection,
    state: &AppState,
    row: InvoiceRow,
    who: &Who,
    now: DateTime<Utc>,
) -> Result<InvoiceRow, InvoiceError> {
    let sums = totals(conn, row.organization_id, &[row.id])
        .await?
        .remove(&row.id)
        .unwrap_or_default();
    let status = match (row.status.as_str(), sums.paid) {
        (unchanged @ ("draft" | "cancelled"), 0) => unchanged,
        (_, paid) => state_by_money(row.total_amount, paid),
    }
    .to_owned();
    if status == row.status {
        return Ok(row);
    }
    let mut access_id = row.access_id;
    if status == "paid" {
        let patient =
            patient::get_patient_of_any_state(conn, row.organization_id, row.patient_id).await?;
        let (keys, created) = access::ensure(conn, state, &patient, who.user(), now).await?;
        access_id = Some(keys.id);
        if keys.is_active {
            access::hand_out(conn, &keys, &patient, Some(row.id), false, now).await?;
        }
        let act = Act::on("access.linked", "patient", &[patient.id]).with(
            serde_json::json!({"invoice_id": row.id, "access_id": keys.id, "created": created}),
        );
        who.record(conn, act, now).await?;
    }
    let paid_at = (status == "paid").then_some(now);
    let changed = store::set_status(conn, row.id, &status, paid_at, access_id, now).await?;
    announce(conn, &row, &changed, now).await?;
    metrics::counter!("portal_invoice_states_total", "status" => status).increment(1);
    Ok(changed)
}

/// Emits the change of state, when there is one.
///
/// # Errors
/// When the database refuses.
pub(crate) async fn announce(
    conn: &mut AsyncPgConnection,
    old: &InvoiceRow,
    new: &InvoiceRow,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    if old.status == new.status {
        return Ok(());
    }
    announce_state(conn, old, &new.status, new.version, now).await
}

/// Emits that the invoice has this state now.
///
/// # Errors
/// When the database refuses.
pub(crate) async fn announce_state(
    conn: &mut AsyncPgConnection,
    old: &InvoiceRow,
    status: &str,
    version: i64,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    let event = InvoiceStatusChanged {
        invoice_id: old.id,
        aggregate_version: version,
        organization_id: old.organization_id,
        patient_id: old.patient_id,
        old_status: old.status.clone(),
        new_status: status.to_owned(),
        total_amount: old.total_amount,
        currency: clinic::currency(&old.currency),
        changed_at: now,
    };
    outbox::emit(conn, SERVICE, &event, now).await.map(drop)
}
