//! Types of events that an organisation sends itself.

use chrono::{DateTime, Utc};
use diesel::{
    prelude::*,
    sql_types::{Array, Nullable, Text, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use super::endpoint_store::Owner;
use crate::schema::{outgoing_endpoints, outgoing_event_types};

/// A new type.
#[derive(Clone, Debug, Insertable)]
#[diesel(table_name = outgoing_event_types)]
pub(crate) struct NewEventType {
    pub(crate) id: Uuid,
    pub(crate) organization_id: Option<Uuid>,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) created_by: Option<Uuid>,
    pub(crate) created_at: DateTime<Utc>,
}

/// Name and description of an owner's types, by name. There are few: creation is capped.
pub(crate) async fn list_event_types(
    conn: &mut AsyncPgConnection,
    owner: Owner,
) -> QueryResult<Vec<(String, String)>> {
    outgoing_event_types::table
        .filter(outgoing_event_types::organization_id.is_not_distinct_from(owner.organization()))
        .order(outgoing_event_types::name)
        .select((
            outgoing_event_types::name,
            outgoing_event_types::description,
        ))
        .load(conn)
        .await
}

/// What came of an insertion.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Inserted {
    Done,
    /// The owner has one of this name.
    Known,
    /// The owner has as many as an owner may have.
    TooMany,
}

/// Inserts a type unless its owner has it, or has `most` already; exact under parallel calls.
pub(crate) async fn insert_event_type(
    conn: &mut AsyncPgConnection,
    new: NewEventType,
    most: i64,
) -> QueryResult<Inserted> {
    diesel::sql_query(
        "SELECT pg_advisory_xact_lock(hashtextextended('outgoing_event_types' || coalesce($1::text, ''), 0))",
    )
    .bind::<Nullable<SqlUuid>, _>(new.organization_id)
    .execute(conn)
    .await?;
    let known: i64 = outgoing_event_types::table
        .filter(outgoing_event_types::organization_id.is_not_distinct_from(new.organization_id))
        .count()
        .get_result(conn)
        .await?;
    if known >= most {
        return Ok(Inserted::TooMany);
    }
    let inserted = diesel::insert_into(outgoing_event_types::table)
        .values(new)
        .on_conflict_do_nothing()
        .execute(conn)
        .await?;
    Ok(if inserted == 1 {
        Inserted::Done
    } else {
        Inserted::Known
    })
}

/// Whether an owner has a type of this name.
pub(crate) async fn is_event_type(
    conn: &mut AsyncPgConnection,
    organization: Option<Uuid>,
    name: &str,
) -> QueryResult<bool> {
    diesel::select(diesel::dsl::exists(
        outgoing_event_types::table
            .filter(outgoing_event_types::organization_id.is_not_distinct_from(organization))
            .filter(outgoing_event_types::name.eq(name)),
    ))
    .get_result(conn)
    .await
}

#[derive(QueryableByName)]
struct Name {
    #[diesel(sql_type = Text)]
    name: String,
}

/// The first of these names that the owner has no type of.
pub(crate) async fn find_unknown(
    conn: &mut AsyncPgConnection,
    organization: Option<Uuid>,
    names: &[String],
) -> QueryResult<Option<String>> {
    let rows: Vec<Name> = diesel::sql_query(
        "SELECT n.name FROM unnest($1::text[]) n(name) WHERE NOT EXISTS (SELECT 1 FROM outgoing_event_types t \
         WHERE t.name = n.name AND t.organization_id IS NOT DISTINCT FROM $2) ORDER BY n.name LIMIT 1",
    )
    .bind::<Array<Text>, _>(names)
    .bind::<Nullable<SqlUuid>, _>(organization)
    .load(conn)
    .await?;
    Ok(rows.into_iter().next().map(|row| row.name))
}

/// Whether an endpoint of the owner names this type.
pub(crate) async fn is_subscribed(
    conn: &mut AsyncPgConnection,
    organization: Option<Uuid>,
    name: &str,
) -> QueryResult<bool> {
    diesel::select(diesel::dsl::exists(
        outgoing_endpoints::table
            .filter(outgoing_endpoints::organization_id.is_not_distinct_from(organization))
            .filter(outgoing_endpoints::event_types.contains(vec![name])),
    ))
    .get_result(conn)
    .await
}

/// Removes a type; answers whether there was one.
pub(crate) async fn delete_event_type(
    conn: &mut AsyncPgConnection,
    organization: Option<Uuid>,
    name: &str,
) -> QueryResult<bool> {
    let gone = diesel::delete(
        outgoing_event_types::table
            .filter(outgoing_event_types::organization_id.is_not_distinct_from(organization))
            .filter(outgoing_event_types::name.eq(name)),
    )
    .execute(conn)
    .await?;
    Ok(gone == 1)
}
