//! Rows that a payment begins with, and the lines of its history.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::Value;
use uuid::Uuid;

use super::{Payment, Status, start::StartPayment, store::PaymentRow};
use crate::schema::{payment_logs, payments};

#[derive(Insertable)]
#[diesel(table_name = payments, treat_none_as_default_value = false)]
struct NewPayment<'a> {
    id: Uuid,
    organization_id: Uuid,
    payer_id: Option<Uuid>,
    purpose: &'a str,
    status: &'a str,
    amount: i64,
    currency: &'a str,
    invoice_id: Option<Uuid>,
    soapify_user_id: Option<&'a str>,
    description: &'a str,
    provider: &'a str,
    return_url: Option<&'a str>,
    client_ip: String,
    request_subject: Option<&'a str>,
    request_route: Option<&'a str>,
    request_key: Option<&'a str>,
    request_hash: Option<&'a [u8]>,
    expires_at: DateTime<Utc>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl<'a> NewPayment<'a> {
    fn of(
        id: Uuid,
        order: &'a StartPayment,
        provider: &'a str,
        (now, expires_at): (DateTime<Utc>, DateTime<Utc>),
    ) -> Self {
        let request = order.request.as_ref();
        Self {
            id,
            organization_id: order.organization_id,
            payer_id: order.payer_id,
            purpose: order.purpose.as_str(),
            status: Status::Pending.as_str(),
            amount: order.price.amount,
            currency: order.price.currency.code(),
            invoice_id: order.invoice_id,
            soapify_user_id: order.soapify_user_id.as_deref(),
            description: &order.description,
            provider,
            return_url: order.return_url.as_deref(),
            client_ip: order.origin.ip.to_string(),
            request_subject: request.map(|request| request.subject.as_str()),
            request_route: request.map(|request| request.route),
            request_key: request.map(|request| request.key.as_str()),
            request_hash: request.map(|request| request.body_hash.as_slice()),
            expires_at,
            created_at: now,
            updated_at: now,
        }
    }
}

pub(crate) async fn insert_payment(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    order: &StartPayment,
    provider: &str,
    times: (DateTime<Utc>, DateTime<Utc>),
) -> QueryResult<Payment> {
    let row: PaymentRow = diesel::insert_into(payments::table)
        .values(NewPayment::of(id, order, provider, times))
        .returning(PaymentRow::as_returning())
        .get_result(conn)
        .await?;
    Ok(row.into())
}

/// The same for many by one statement.
pub(crate) async fn insert_payments(
    conn: &mut AsyncPgConnection,
    orders: &[(Uuid, &StartPayment)],
    provider: &str,
    times: (DateTime<Utc>, DateTime<Utc>),
) -> QueryResult<usize> {
    let rows = orders.iter();
    let rows = rows.map(|(id, order)| NewPayment::of(*id, order, provider, times));
    diesel::insert_into(payments::table)
        .values(rows.collect::<Vec<_>>())
        .execute(conn)
        .await
}

#[derive(Insertable)]
#[diesel(table_name = payment_logs, treat_none_as_default_value = false)]
struct NewLog<'a> {
    id: Uuid,
    payment_id: Uuid,
    kind: &'a str,
    details: Value,
    created_at: DateTime<Utc>,
}

impl<'a> NewLog<'a> {
    fn of(payment_id: Uuid, kind: &'a str, details: Value, created_at: DateTime<Utc>) -> Self {
        Self {
            id: Uuid::now_v7(),
            payment_id,
            kind,
            details,
            created_at,
        }
    }
}

/// Adds a line to the payment's history (Y07's log types).
pub(crate) async fn insert_log(
    conn: &mut AsyncPgConnection,
    payment_id: Uuid,
    kind: &str,
    details: Value,
    now: DateTime<Utc>,
) -> QueryResult<usize> {
    diesel::insert_into(payment_logs::table)
        .values(NewLog::of(payment_id, kind, details, now))
        .execute(conn)
        .await
}

/// The same line in the history of each of these payments, by one statement.
pub(super) async fn insert_logs(
    conn: &mut AsyncPgConnection,
    payments: &[Payment],
    kind: &str,
    details: Value,
    now: DateTime<Utc>,
) -> QueryResult<usize> {
    // One is the rule: of that shape the statement stays prepared.
    if let [one] = payments {
        return insert_log(conn, one.id, kind, details, now).await;
    }
    let rows = payments.iter();
    let rows = rows.map(|payment| NewLog::of(payment.id, kind, details.clone(), now));
    diesel::insert_into(payment_logs::table)
        .values(rows.collect::<Vec<_>>())
        .execute(conn)
        .await
}
