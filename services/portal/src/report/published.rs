//! What was published on which invoice.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::schema::reports;

/// A report and when it was published.
pub(crate) type Published = (Uuid, DateTime<Utc>);

/// The reports that patients may read, by invoice; `whose` are organisations with their invoices.
///
/// # Errors
/// When the database refuses.
pub(crate) async fn published_on(
    conn: &mut AsyncPgConnection,
    whose: &[(Uuid, Uuid)],
) -> QueryResult<HashMap<Uuid, Vec<Published>>> {
    let (organizations, invoices): (Vec<Uuid>, Vec<Uuid>) = whose.iter().copied().unzip();
    let rows: Vec<(Option<Uuid>, Uuid, Option<DateTime<Utc>>)> = reports::table
        .filter(reports::organization_id.eq_any(organizations))
        .filter(reports::invoice_id.eq_any(invoices))
        .filter(reports::is_active)
        .filter(reports::deleted_at.is_null())
        .order((reports::activated_at, reports::id))
        .select((reports::invoice_id, reports::id, reports::activated_at))
        .load(conn)
        .await?;
    let mut published = HashMap::<Uuid, Vec<Published>>::new();
    for (invoice, report, at) in rows {
        if let Some((invoice, at)) = invoice.zip(at) {
            published.entry(invoice).or_default().push((report, at));
        }
    }
    Ok(published)
}
