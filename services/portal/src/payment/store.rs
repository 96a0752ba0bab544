//! Rows of recorded payments.

use chrono::{DateTime, NaiveDate, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::schema::{invoices, patients, recorded_payments};

#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = recorded_payments)]
pub(crate) struct PaymentRow {
    pub(crate) id: Uuid,
    pub(crate) number: i64,
    pub(crate) organization_id: Uuid,
    pub(crate) invoice_id: Uuid,
    pub(crate) amount: i64,
    pub(crate) discount_amount: i64,
    pub(crate) coverage_hundredths: i32,
    pub(crate) coverage_name: String,
    pub(crate) refunded_amount: i64,
    pub(crate) payment_method: String,
    pub(crate) payment_date: DateTime<Utc>,
    pub(crate) status: String,
    pub(crate) reference_number: String,
    pub(crate) transaction_id: String,
    pub(crate) receipt_number: Option<String>,
    pub(crate) phone_number: String,
    pub(crate) operator_reference: String,
    pub(crate) notes: String,
    pub(crate) recorded_by_name: String,
    pub(crate) online_payment_id: Option<Uuid>,
    pub(crate) version: i64,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}

#[derive(Debug, Insertable)]
#[diesel(table_name = recorded_payments)]
pub(crate) struct NewPayment<'a> {
    pub(crate) id: Uuid,
    pub(crate) organization_id: Uuid,
    pub(crate) invoice_id: Uuid,
    pub(crate) amount: i64,
    pub(crate) discount_amount: i64,
    pub(crate) coverage_hundredths: i32,
    pub(crate) coverage_name: &'a str,
    pub(crate) payment_method: &'a str,
    pub(crate) payment_date: DateTime<Utc>,
    pub(crate) status: &'a str,
    pub(crate) reference_number: &'a str,
    pub(crate) transaction_id: &'a str,
    pub(crate) receipt_number: Option<&'a str>,
    pub(crate) phone_number: &'a str,
    pub(crate) operator_reference: &'a str,
    pub(crate) notes: &'a str,
    pub(crate) recorded_by: Option<Uuid>,
    pub(crate) recorded_by_name: &'a str,
    pub(crate) online_payment_id: Option<Uuid>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}

/// `None` when the online payment has its row already.
pub(crate) async fn insert_payment(
    conn: &mut AsyncPgConnection,
    new: &NewPayment<'_>,
) -> QueryResult<Option<PaymentRow>> {
    diesel::insert_into(recorded_payments::table)
        .values(new)
        .on_conflict(recorded_payments::online_payment_id)
        .filter_target(recorded_payments::online_payment_id.is_not_null())
        .do_nothing()
        .returning(PaymentRow::as_returning())
        .get_result(conn)
        .await
        .optional()
}

pub(crate) async fn find_payment_by_number(
    conn: &mut AsyncPgConnection,
    organization: Uuid,
    number: i64,
) -> QueryResult<Option<PaymentRow>> {
    recorded_payments::table
        .filter(recorded_payments::organization_id.eq(organization))
        .filter(recorded_payments::number.eq(number))
        .filter(recorded_payments::voided_at.is_null())
        .select(PaymentRow::as_select())
        .first(conn)
        .await
        .optional()
}

pub(crate) async fn find_payment_by_online_id(
    conn: &mut AsyncPgConnection,
    organization: Uuid,
    online: Uuid,
) -> QueryResult<Option<PaymentRow>> {
    recorded_payments::table
        .filter(recorded_payments::organization_id.eq(organization))
        .filter(recorded_payments::online_payment_id.eq(online))
        .select(PaymentRow::as_select())
        .for_no_key_update()
        .first(conn)
        .await
        .optional()
}

/// Sets what of an online payment went back; never less than before.
pub(crate) async fn set_refunded(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    refunded: i64,
    full: bool,
    now: DateTime<Utc>,
) -> QueryResult<usize> {
    diesel::update(
        recorded_payments::table
            .filter(recorded_payments::id.eq(id))
            .filter(recorded_payments::refunded_amount.lt(refunded)),
    )
    .set((
        recorded_payments::refunded_amount.eq(refunded),
        recorded_payments::status.eq(if full { "refunded" } else { "completed" }),
        recorded_payments::version.eq(recorded_payments::version + 1),
        recorded_payments::updated_at.eq(now),
    ))
    .execute(conn)
    .await
}

pub(crate) async fn void_payment(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    now: DateTime<Utc>,
) -> QueryResult<PaymentRow> {
    diesel::update(recorded_payments::table.find(id))
        .set((
            recorded_payments::voided_at.eq(now),
            recorded_payments::version.eq(recorded_payments::version + 1),
            recorded_payments::updated_at.eq(now),
        ))
        .returning(PaymentRow::as_returning())
        .get_result(conn)
        .await
}

/// Name and share of the newest completed payment with coverage.
///
/// # Errors
/// When the database refuses.
pub(crate) async fn newest_coverage(
    conn: &mut AsyncPgConnection,
    organization: Uuid,
    invoice: Uuid,
) -> QueryResult<Option<(String, i32)>> {
    recorded_payments::table
        .filter(recorded_payments::organization_id.eq(organization))
        .filter(recorded_payments::invoice_id.eq(invoice))
        .filter(recorded_payments::status.eq("completed"))
        .filter(recorded_payments::voided_at.is_null())
        .filter(recorded_payments::coverage_hundredths.gt(0))
        .order_by(recorded_payments::payment_date.desc())
        .select((
            recorded_payments::coverage_name,
            recorded_payments::coverage_hundredths,
        ))
        .first(conn)
        .await
        .optional()
}

/// What a list may be narrowed by.
#[derive(Debug, Default)]
pub(crate) struct PaymentFilter {
    pub(crate) words: Vec<String>,
    pub(crate) patient: Option<i64>,
    pub(crate) invoice: Option<i64>,
    pub(crate) method: Option<String>,
    pub(crate) status: Option<String>,
    pub(crate) date_from: Option<NaiveDate>,
    pub(crate) date_to: Option<NaiveDate>,
}

type WithInvoice = diesel::helper_types::InnerJoinOn<
    recorded_payments::table,
    invoices::table,
    diesel::dsl::Eq<invoices::id, recorded_payments::invoice_id>,
>;
type Joined<'a> = diesel::helper_types::IntoBoxed<
    'a,
    diesel::helper_types::InnerJoinOn<
        WithInvoice,
        patients::table,
        diesel::dsl::Eq<patients::id, invoices::patient_id>,
    >,
    diesel::pg::Pg,
>;

fn filtered<'a>(organization: Uuid, filter: &'a PaymentFilter) -> Joined<'a> {
    let mut query = recorded_payments::table
        .inner_join(invoices::table.on(invoices::id.eq(recorded_payments::invoice_id)))
        .inner_join(patients::table.on(patients::id.eq(invoices::patient_id)))
        .into_boxed()
        .filter(recorded_payments::organization_id.eq(organization))
        .filter(recorded_payments::voided_at.is_null());
    for word in &filter.words {
        query = query.filter(
            recorded_payments::reference_number
                .ilike(word)
                .or(recorded_payments::transaction_id.ilike(word))
                .or(recorded_payments::receipt_number
                    .ilike(word)
                    .assume_not_null())
                .or(invoices::invoice_number.ilike(word))
                .or(patients::first_name.ilike(word))
                .or(patients::last_name.ilike(word)),
        );
    }
    if let Some(patient) = filter.patient {
        query = query.filter(patients::number.eq(patient));
    }
    if let Some(invoice) = filter.invoice {
        query = query.filter(invoices::number.eq(invoice));
    }
    if let Some(method) = &filter.method {
        query = query.filter(recorded_payments::payment_method.eq(method));
    }
    if let Some(status) = &filter.status {
        query = query.filter(recorded_payments::status.eq(status));
    }
    if let Some(day) = filter.date_from {
        query = query.filter(
            recorded_payments::payment_date.ge(day.and_time(chrono::NaiveTime::MIN).and_utc()),
        );
    }
    if let Some(day) = filter.date_to.and_then(|day| day.succ_opt()) {
        query = query.filter(
            recorded_payments::payment_date.lt(day.and_time(chrono::NaiveTime::MIN).and_utc()),
        );
    }
    query
}

pub(crate) async fn count_payments(
    conn: &mut AsyncPgConnection,
    organization: Uuid,
    filter: &PaymentFilter,
) -> QueryResult<i64> {
    filtered(organization, filter)
        .count()
        .get_result(conn)
        .await
}

pub(crate) async fn list_payments(
    conn: &mut AsyncPgConnection,
    organization: Uuid,
    filter: &PaymentFilter,
    ordering: &str,
    (offset, limit): (i64, i64),
) -> QueryResult<Vec<PaymentRow>> {
    let mut query = filtered(organization, filter);
    for term in common_types::ordering::parse(ordering, &["payment_date", "amount", "created_at"]) {
        query = match (term.field, term.descending) {
            ("amount", true) => query.then_order_by(recorded_payments::amount.desc()),
            ("amount", false) => query.then_order_by(recorded_payments::amount.asc()),
            ("created_at", true) => query.then_order_by(recorded_payments::created_at.desc()),
            ("created_at", false) => query.then_order_by(recorded_payments::created_at.asc()),
            (_, true) => query.then_order_by(recorded_payments::payment_date.desc()),
            (_, false) => query.then_order_by(recorded_payments::payment_date.asc()),
        };
    }
    query
        .then_order_by(recorded_payments::payment_date.desc())
        .then_order_by(recorded_payments::number.desc())
        .offset(offset)
        .limit(limit)
        .select(PaymentRow::as_select())
        .load(conn)
        .await
}

/// Completed payments of a span of time, summed by method.
#[derive(Debug, QueryableByName)]
pub(crate) struct MethodSum {
    #[diesel(sql_type = diesel::sql_types::Text)]
    pub(crate) payment_method: String,
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    pub(crate) amount: i64,
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    pub(crate) payments: i64,
}

/// # Errors
/// When the database refuses.
pub(crate) async fn sum_by_method(
    conn: &mut AsyncPgConnection,
    organization: Uuid,
    (from, until): (DateTime<Utc>, DateTime<Utc>),
) -> QueryResult<Vec<MethodSum>> {
    diesel::sql_query(
        "SELECT payment_method, sum(amount - refunded_amount)::bigint AS amount, count(*)::bigint AS payments \
         FROM recorded_payments WHERE organization_id = $1 AND status = 'completed' AND voided_at IS NULL \
         AND payment_date >= $2 AND payment_date < $3 GROUP BY payment_method",
    )
    .bind::<diesel::sql_types::Uuid, _>(organization)
    .bind::<diesel::sql_types::Timestamptz, _>(from)
    .bind::<diesel::sql_types::Timestamptz, _>(until)
    .load(conn)
    .await
}
