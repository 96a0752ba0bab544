//! The list of invoices and what narrows it.

use chrono::NaiveDate;
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use super::store::InvoiceRow;
use crate::schema::{invoices, patients};

/// What a list may be narrowed by.
#[derive(Debug, Default)]
pub(crate) struct InvoiceFilter {
    pub(crate) words: Vec<String>,
    pub(crate) patient: Option<Uuid>,
    pub(crate) statuses: Option<Vec<String>>,
    pub(crate) overdue_on: Option<NaiveDate>,
    pub(crate) amount_min: Option<i64>,
    pub(crate) amount_max: Option<i64>,
    pub(crate) date_from: Option<NaiveDate>,
    pub(crate) date_to: Option<NaiveDate>,
}

type Joined<'a> = diesel::helper_types::IntoBoxed<
    'a,
    diesel::helper_types::InnerJoinOn<
        invoices::table,
        patients::table,
        diesel::dsl::Eq<patients::id, invoices::patient_id>,
    >,
    diesel::pg::Pg,
>;

fn filtered<'a>(organization: Uuid, filter: &'a InvoiceFilter) -> Joined<'a> {
    let mut query = invoices::table
        .inner_join(patients::table.on(patients::id.eq(invoices::patient_id)))
        .into_boxed()
        .filter(invoices::organization_id.eq(organization))
        .filter(invoices::hidden_at.is_null());
    for word in &filter.words {
        query = query.filter(
            invoices::invoice_number
                .ilike(word)
                .or(patients::first_name.ilike(word))
                .or(patients::last_name.ilike(word))
                .or(patients::phone_number.ilike(word).assume_not_null()),
        );
    }
    if let Some(patient) = filter.patient {
        query = query.filter(invoices::patient_id.eq(patient));
    }
    if let Some(statuses) = &filter.statuses {
        query = query.filter(invoices::status.eq_any(statuses));
    }
    if let Some(day) = filter.overdue_on {
        query = query
            .filter(invoices::due_date.lt(day))
            .filter(invoices::status.eq_any(["sent", "partially_paid"]));
    }
    if let Some(least) = filter.amount_min {
        query = query.filter(invoices::total_amount.ge(least));
    }
    if let Some(most) = filter.amount_max {
        query = query.filter(invoices::total_amount.le(most));
    }
    if let Some(day) = filter.date_from {
        query = query.filter(invoices::invoice_date.ge(day));
    }
    if let Some(day) = filter.date_to {
        query = query.filter(invoices::invoice_date.le(day));
    }
    query
}

pub(crate) async fn count_invoices(
    conn: &mut AsyncPgConnection,
    organization: Uuid,
    filter: &InvoiceFilter,
) -> QueryResult<i64> {
    filtered(organization, filter)
        .count()
        .get_result(conn)
        .await
}

pub(crate) async fn list_invoices(
    conn: &mut AsyncPgConnection,
    organization: Uuid,
    filter: &InvoiceFilter,
    ordering: &str,
    (offset, limit): (i64, i64),
) -> QueryResult<Vec<InvoiceRow>> {
    let mut query = filtered(organization, filter);
    for term in common_types::ordering::parse(
        ordering,
        &["created_at", "invoice_date", "total_amount", "due_date"],
    ) {
        query = match (term.field, term.descending) {
            ("created_at", true) => query.then_order_by(invoices::created_at.desc()),
            ("created_at", false) => query.then_order_by(invoices::created_at.asc()),
            ("invoice_date", true) => query.then_order_by(invoices::invoice_date.desc()),
            ("invoice_date", false) => query.then_order_by(invoices::invoice_date.asc()),
            ("total_amount", true) => query.then_order_by(invoices::total_amount.desc()),
            ("total_amount", false) => query.then_order_by(invoices::total_amount.asc()),
            (_, true) => query.then_order_by(invoices::due_date.desc()),
            (_, false) => query.then_order_by(invoices::due_date.asc()),
        };
    }
    query
        .then_order_by(invoices::created_at.desc())
        .then_order_by(invoices::number.desc())
        .offset(offset)
        .limit(limit)
        .select(InvoiceRow::as_select())
        .load(conn)
        .await
}
