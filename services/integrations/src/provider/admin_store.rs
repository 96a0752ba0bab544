//! Provider rows as their administrators see and change them.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::Value;
use uuid::Uuid;

use crate::schema::providers;

/// A new provider.
#[derive(Clone, Debug, Insertable)]
#[diesel(table_name = providers)]
pub(crate) struct NewProvider {
    pub(crate) id: Uuid,
    pub(crate) name: String,
    pub(crate) slug: String,
    pub(crate) provider_type: String,
    pub(crate) status: String,
    pub(crate) adapter: String,
    pub(crate) description: String,
    pub(crate) api_base_url: String,
    pub(crate) documentation_url: String,
    pub(crate) priority: i32,
    pub(crate) settings: Value,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}

pub(crate) async fn insert_provider(
    conn: &mut AsyncPgConnection,
    new: NewProvider,
) -> QueryResult<usize> {
    diesel::insert_into(providers::table)
        .values(new)
        .execute(conn)
        .await
}

/// Removes a provider; a foreign key refuses while anything refers to it.
pub(crate) async fn delete_provider(conn: &mut AsyncPgConnection, id: Uuid) -> QueryResult<usize> {
    diesel::delete(providers::table.find(id))
        .execute(conn)
        .await
}

/// How a provider works here.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = providers)]
pub(crate) struct SettingsRow {
    pub(crate) adapter: String,
    pub(crate) priority: i32,
    pub(crate) settings: Value,
    pub(crate) consecutive_failures: i32,
    pub(crate) last_health: Option<Value>,
    pub(crate) last_checked_at: Option<DateTime<Utc>>,
    pub(crate) low_balance_since: Option<DateTime<Utc>>,
}

pub(crate) async fn find_settings(
    conn: &mut AsyncPgConnection,
    slug: &str,
) -> QueryResult<Option<SettingsRow>> {
    providers::table
        .filter(providers::slug.eq(slug))
        .select(SettingsRow::as_select())
        .first(conn)
        .await
        .optional()
}

/// The same, locked until the transaction ends.
pub(crate) async fn lock_settings(
    conn: &mut AsyncPgConnection,
    id: Uuid,
) -> QueryResult<Option<SettingsRow>> {
    providers::table
        .find(id)
        .select(SettingsRow::as_select())
        .for_update()
        .first(conn)
        .await
        .optional()
}

/// What is changed.
#[derive(Clone, Debug, Default, AsChangeset)]
#[diesel(table_name = providers)]
pub(crate) struct SettingsChange {
    pub(crate) priority: Option<i32>,
    pub(crate) settings: Option<Value>,
    pub(crate) updated_at: Option<DateTime<Utc>>,
}

pub(crate) async fn update_settings(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    change: SettingsChange,
) -> QueryResult<usize> {
    diesel::update(providers::table.find(id))
        .set((change, providers::version.eq(providers::version + 1)))
        .execute(conn)
        .await
}

/// Notes whether the account is low, and since when.
pub(crate) async fn update_low_balance(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    since: Option<DateTime<Utc>>,
) -> QueryResult<usize> {
    diesel::update(providers::table.find(id))
        .set(providers::low_balance_since.eq(since))
        .execute(conn)
        .await
}
