use chrono::{DateTime, Utc};
use common_types::{Money, ordering};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use super::{
    Payment, Purpose, Status,
    model::currency,
    start::{Request, StartPayment},
};
use crate::schema::payments;

/// Statuses in which the payer may still pay.
pub(super) const OPEN: [&str; 2] = ["pending", "processing"];

#[derive(Debug, Queryable, Selectable)]
#[diesel(table_name = payments, check_for_backend(diesel::pg::Pg))]
pub(super) struct PaymentRow {
    id: Uuid,
    organization_id: Uuid,
    payer_id: Option<Uuid>,
    purpose: String,
    status: String,
    amount: i64,
    currency: String,
    invoice_id: Option<Uuid>,
    soapify_user_id: Option<String>,
    description: String,
    provider: String,
    provider_reference: Option<String>,
    hints: Vec<String>,
    tracking_code: Option<String>,
    refunded_amount: i64,
    payment_url: Option<String>,
    return_url: Option<String>,
    version: i64,
    review_reason: Option<String>,
    checks: i32,
    expires_at: DateTime<Utc>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    completed_at: Option<DateTime<Utc>>,
}

impl From<PaymentRow> for Payment {
    fn from(row: PaymentRow) -> Self {
        Self {
            id: row.id,
            organization_id: row.organization_id,
            payer_id: row.payer_id,
            purpose: row.purpose.parse().unwrap_or(Purpose::Service),
            // The database knows no other status.
            status: Status::parse(&row.status).unwrap_or(Status::Failed),
            price: Money::new(row.amount, currency(&row.currency)),
            invoice_id: row.invoice_id,
            soapify_user_id: row.soapify_user_id,
            description: row.description,
            provider: row.provider,
            provider_reference: row.provider_reference,
            hints: row.hints,
            tracking_code: row.tracking_code,
            refunded_amount: row.refunded_amount,
            payment_url: row.payment_url,
            return_url: row.return_url,
            version: row.version,
            review_reason: row.review_reason,
            checks: row.checks,
            expires_at: row.expires_at,
            created_at: row.created_at,
            updated_at: row.updated_at,
            completed_at: row.completed_at,
        }
    }
}

/// The payment of that id.
///
/// # Errors
/// When the database refuses.
pub async fn find_payment(conn: &mut AsyncPgConnection, id: Uuid) -> QueryResult<Option<Payment>> {
    let row = payments::table
        .find(id)
        .select(PaymentRow::as_select())
        .first(conn)
        .await;
    Ok(row.optional()?.map(Payment::from))
}

/// The payment that the provider knows under `reference`.
///
/// # Errors
/// When the database refuses.
pub async fn find_by_reference(
    conn: &mut AsyncPgConnection,
    provider: &str,
    reference: &str,
) -> QueryResult<Option<Payment>> {
    let row = payments::table
        .filter(payments::provider.eq(provider))
        .filter(payments::provider_reference.eq(reference))
        .select(PaymentRow::as_select())
        .first(conn)
        .await;
    Ok(row.optional()?.map(Payment::from))
}

/// The newest payment that any provider knows under `authority`: django-chelseru's clients name no
/// provider.
pub(crate) async fn find_by_authority(
    conn: &mut AsyncPgConnection,
    authority: &str,
) -> QueryResult<Option<Payment>> {
    let row = payments::table
        .filter(payments::provider_reference.eq(authority))
        .order(payments::created_at.desc())
        .select(PaymentRow::as_select())
        .first(conn)
        .await;
    Ok(row.optional()?.map(Payment::from))
}

/// The payment that a keyed request started, with the hash of its body.
pub(super) async fn find_by_request(
    conn: &mut AsyncPgConnection,
    request: &Request,
) -> QueryResult<Option<(Payment, Option<Vec<u8>>)>> {
    let row: Option<(PaymentRow, Option<Vec<u8>>)> = payments::table
        .filter(payments::request_subject.eq(&request.subject))
        .filter(payments::request_route.eq(request.route))
        .filter(payments::request_key.eq(&request.key))
        .select((PaymentRow::as_select(), payments::request_hash))
        .first(conn)
        .await
        .optional()?;
    Ok(row.map(|(row, hash)| (row.into(), hash)))
}

/// The newest open payment like this one, started after `since`.
pub(super) async fn find_repeat(
    conn: &mut AsyncPgConnection,
    order: &StartPayment,
    since: DateTime<Utc>,
) -> QueryResult<Option<Payment>> {
    let row = payments::table
        .filter(payments::organization_id.eq(order.organization_id))
        .filter(payments::payer_id.is_not_distinct_from(order.payer_id))
        .filter(payments::purpose.eq(order.purpose.as_str()))
        .filter(payments::amount.eq(order.price.amount))
        .filter(payments::currency.eq(order.price.currency.code()))
        .filter(payments::soapify_user_id.is_not_distinct_from(order.soapify_user_id.as_deref()))
        .filter(payments::invoice_id.is_not_distinct_from(order.invoice_id))
        .filter(payments::status.eq_any(OPEN))
        .filter(payments::created_at.gt(since))
        .order(payments::created_at.desc())
        .select(PaymentRow::as_select())
        .first(conn)
        .await;
    Ok(row.optional()?.map(Payment::from))
}

/// Whose payments a list shows.
#[derive(Debug, Clone, Copy)]
pub(super) enum Whose {
    /// Those a person started in an organisation.
    Payer(Uuid, Uuid),
    /// All of an organisation.
    Organization(Uuid),
}

/// Which payments a list shows.
#[derive(Debug, Clone, Default)]
pub(super) struct PaymentFilter {
    pub(super) status: Option<String>,
    pub(super) purpose: Option<String>,
    pub(super) provider: Option<String>,
    pub(super) currency: Option<String>,
    pub(super) invoice_id: Option<Uuid>,
    pub(super) payer_id: Option<Uuid>,
    pub(super) from: Option<DateTime<Utc>>,
    pub(super) to: Option<DateTime<Utc>>,
    pub(super) min_amount: Option<i64>,
    pub(super) max_amount: Option<i64>,
    /// A payment's id, its number at the provider, its tracking number, or words of its description.
    pub(super) search: Option<String>,
    pub(super) ordering: Vec<ordering::Term>,
}

/// What lists of payments can be ordered by.
pub(super) const ORDERINGS: [&str; 3] = ["created_at", "amount", "completed_at"];

/// Payments, newest first unless told otherwise, and how many there are.
pub(super) async fn list_payments(
    conn: &mut AsyncPgConnection,
    whose: Whose,
    filter: &PaymentFilter,
    (offset, limit): (i64, i64),
) -> QueryResult<(i64, Vec<Payment>)> {
    let filtered = || {
        let mut query = payments::table.into_boxed();
        query = match whose {
            Whose::Payer(organization, payer) => query
                .filter(payments::organization_id.eq(organization))
                .filter(payments::payer_id.eq(payer)),
            Whose::Organization(organization) => {
                query.filter(payments::organization_id.eq(organization))
            }
        };
        macro_rules! when {
            ($value:expr, $column:ident, $compare:ident) => {
                if let Some(value) = $value.clone() {
                    query = query.filter(payments::$column.$compare(value));
                }
            };
        }
        when!(filter.status, status, eq);
        when!(filter.purpose, purpose, eq);
        when!(filter.provider, provider, eq);
        when!(filter.currency, currency, eq);
        when!(filter.invoice_id, invoice_id, eq);
        when!(filter.payer_id, payer_id, eq);
        when!(filter.from, created_at, ge);
        when!(filter.to, created_at, lt);
        when!(filter.min_amount, amount, ge);
        when!(filter.max_amount, amount, le);
        if let Some(text) = &filter.search {
            query = match Uuid::parse_str(text) {
                Ok(id) => query.filter(payments::id.eq(id)),
                Err(_) => {
                    let like = text
                        .replace('\\', "\\\\")
                        .replace('%', "\\%")
                        .replace('_', "\\_");
                    query.filter(
                        payments::tracking_code
                            .eq(text.clone())
                            .or(payments::provider_reference.eq(text.clone()))
                            .or(payments::description.ilike(format!("%{like}%"))),
                    )
                }
            };
        }
        query
    };
    let total = filtered().count().get_result(conn).await?;
    let mut query = filtered();
    for term in &filter.ordering {
        query = match (term.field, term.descending) {
            ("amount", false) => query.then_order_by(payments::amount.asc()),
            ("amount", true) => query.then_order_by(payments::amount.desc()),
            ("completed_at", false) => query.then_order_by(payments::completed_at.asc()),
            ("completed_at", true) => query.then_order_by(payments::completed_at.desc()),
            (_, false) => query.then_order_by(payments::created_at.asc()),
            (_, true) => query.then_order_by(payments::created_at.desc()),
        };
    }
    let rows: Vec<PaymentRow> = query
        .then_order_by((payments::created_at.desc(), payments::id.desc()))
        .offset(offset)
        .limit(limit)
        .select(PaymentRow::as_select())
        .load(conn)
        .await?;
    Ok((total, rows.into_iter().map(Payment::from).collect()))
}
