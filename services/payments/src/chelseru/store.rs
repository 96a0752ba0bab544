use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::schema::chelseru_payments as orders;

/// What the client gave and gets back.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = orders, check_for_backend(diesel::pg::Pg))]
pub(super) struct OrderRow {
    pub(super) payment_id: Uuid,
    pub(super) order_id: Option<String>,
    /// As the client said it, in `currency`.
    pub(super) amount: i64,
    pub(super) currency: String,
    pub(super) pay_mode: i16,
    pub(super) callback_url: Option<String>,
    pub(super) frontend_callback_url: Option<String>,
    pub(super) created_at: DateTime<Utc>,
}

/// Keeps an order; a repeat of the same payment changes nothing.
pub(super) async fn insert_order(
    conn: &mut AsyncPgConnection,
    order: &OrderRow,
) -> QueryResult<usize> {
    diesel::insert_into(orders::table)
        .values(order)
        .on_conflict_do_nothing()
        .execute(conn)
        .await
}

pub(super) async fn find_order(
    conn: &mut AsyncPgConnection,
    payment: Uuid,
) -> QueryResult<Option<OrderRow>> {
    orders::table
        .find(payment)
        .select(OrderRow::as_select())
        .first(conn)
        .await
        .optional()
}
