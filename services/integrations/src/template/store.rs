//! Rows of the registry.

use chrono::{DateTime, Utc};
use diesel::{pg::Pg, prelude::*};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::schema::message_templates;

/// An entry as stored and shown.
#[derive(Clone, Debug, Queryable, Selectable, Insertable, Serialize, ToSchema)]
#[diesel(table_name = message_templates)]
pub(crate) struct TemplateRow {
    pub(crate) id: Uuid,
    /// Null: the platform's.
    pub(crate) organization_id: Option<Uuid>,
    pub(crate) key: String,
    /// A provider's slug or client, `email`, or empty for the text of providers without templates.
    #[serde(rename = "provider")]
    pub(crate) provider_slug: String,
    /// `fa`, `fr`, `en`, or empty for all.
    pub(crate) language: String,
    /// Name or number at the provider, or the text with `%token` …
    pub(crate) value: String,
    pub(crate) subject: Option<String>,
    pub(crate) html: Option<String>,
    pub(crate) updated_at: DateTime<Utc>,
}

/// Which entries are listed: the organisation's and the platform's.
#[derive(Debug, Default)]
pub(crate) struct TemplateFilter {
    pub(crate) organization_id: Option<Uuid>,
    pub(crate) key: Option<String>,
    pub(crate) provider: Option<String>,
    pub(crate) language: Option<String>,
    pub(crate) search: Option<String>,
}

fn filtered(filter: &TemplateFilter) -> message_templates::BoxedQuery<'_, Pg> {
    let mut query = message_templates::table
        .filter(
            message_templates::organization_id
                .is_null()
                .or(message_templates::organization_id.eq(filter.organization_id)),
        )
        .into_boxed();
    if let Some(key) = &filter.key {
        query = query.filter(message_templates::key.eq(key));
    }
    if let Some(provider) = &filter.provider {
        query = query.filter(message_templates::provider_slug.eq(provider));
    }
    if let Some(language) = &filter.language {
        query = query.filter(message_templates::language.eq(language));
    }
    if let Some(search) = &filter.search {
        let escaped = search
            .replace('\\', "\\\\")
            .replace('%', "\\%")
            .replace('_', "\\_");
        query = query.filter(message_templates::key.ilike(format!("%{escaped}%")));
    }
    query
}

pub(crate) async fn count_templates(
    conn: &mut AsyncPgConnection,
    filter: &TemplateFilter,
) -> QueryResult<i64> {
    filtered(filter).count().get_result(conn).await
}

pub(crate) async fn list_templates(
    conn: &mut AsyncPgConnection,
    filter: &TemplateFilter,
    ordering: &str,
    (offset, limit): (i64, i64),
) -> QueryResult<Vec<TemplateRow>> {
    let mut query = filtered(filter);
    for term in common_types::ordering::parse(ordering, &["key", "updated_at"]) {
        query = match (term.field, term.descending) {
            ("key", false) => query.then_order_by(message_templates::key.asc()),
            ("key", true) => query.then_order_by(message_templates::key.desc()),
            (_, false) => query.then_order_by(message_templates::updated_at.asc()),
            (_, true) => query.then_order_by(message_templates::updated_at.desc()),
        };
    }
    query
        .then_order_by((
            message_templates::key.asc(),
            message_templates::provider_slug.asc(),
            message_templates::language.asc(),
            message_templates::id.asc(),
        ))
        .offset(offset)
        .limit(limit)
        .select(TemplateRow::as_select())
        .load(conn)
        .await
}

/// An entry that the organisation may see.
pub(crate) async fn find_template(
    conn: &mut AsyncPgConnection,
    organization_id: Option<Uuid>,
    id: Uuid,
) -> QueryResult<Option<TemplateRow>> {
    message_templates::table
        .find(id)
        .filter(
            message_templates::organization_id
                .is_null()
                .or(message_templates::organization_id.eq(organization_id)),
        )
        .select(TemplateRow::as_select())
        .first(conn)
        .await
        .optional()
}

pub(crate) async fn insert_template(
    conn: &mut AsyncPgConnection,
    row: &TemplateRow,
) -> QueryResult<usize> {
    diesel::insert_into(message_templates::table)
        .values(row)
        .execute(conn)
        .await
}

/// What may be changed of an entry; its place in the registry stays.
#[derive(Clone, Debug, Default, AsChangeset)]
#[diesel(table_name = message_templates)]
pub(crate) struct TemplateChange {
    pub(crate) value: Option<String>,
    pub(crate) subject: Option<Option<String>>,
    pub(crate) html: Option<Option<String>>,
}

pub(crate) async fn update_template(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    change: &TemplateChange,
    now: DateTime<Utc>,
) -> QueryResult<TemplateRow> {
    diesel::update(message_templates::table.find(id))
        .set((
            change,
            message_templates::updated_at.eq(now),
            message_templates::version.eq(message_templates::version + 1),
        ))
        .returning(TemplateRow::as_returning())
        .get_result(conn)
        .await
}

pub(crate) async fn delete_template(conn: &mut AsyncPgConnection, id: Uuid) -> QueryResult<usize> {
    diesel::delete(message_templates::table.find(id))
        .execute(conn)
        .await
}
