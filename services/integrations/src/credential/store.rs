//! Credential rows.

use chrono::{DateTime, Utc};
use common_types::events::integrations::CredentialChanged;
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde::Serialize;
use service_db::DbError;
use service_events::outbox;
use utoipa::ToSchema;
use uuid::Uuid;

use super::model::mask;
use crate::{
    AppState,
    providers::Registry,
    schema::{provider_credentials, providers},
    state::SERVICE,
};

/// A row as shown: never the value.
#[derive(Debug, Queryable)]
pub(crate) struct CredentialRow {
    pub(crate) id: Uuid,
    pub(crate) provider: Uuid,
    pub(crate) provider_name: String,
    pub(crate) key_name: String,
    pub(crate) masked_value: String,
    pub(crate) environment: String,
    pub(crate) is_active: bool,
    pub(crate) expires_at: Option<DateTime<Utc>>,
    pub(crate) created_by: Option<Uuid>,
    pub(crate) organization_id: Option<Uuid>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}

/// The same on the wire (wire.md 3.2).
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CredentialResponse {
    id: Uuid,
    provider: Uuid,
    provider_name: String,
    key_name: String,
    masked_value: String,
    environment: String,
    is_active: bool,
    is_encrypted: bool,
    is_valid: bool,
    expires_at: Option<DateTime<Utc>>,
    created_by: Option<Uuid>,
    organization_id: Option<Uuid>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl CredentialRow {
    pub(crate) fn shown(self, now: DateTime<Utc>) -> CredentialResponse {
        CredentialResponse {
            is_valid: self.is_active && self.expires_at.is_none_or(|at| at > now),
            is_encrypted: true,
            id: self.id,
            provider: self.provider,
            provider_name: self.provider_name,
            key_name: self.key_name,
            masked_value: self.masked_value,
            environment: self.environment,
            is_active: self.is_active,
            expires_at: self.expires_at,
            created_by: self.created_by,
            organization_id: self.organization_id,
            created_at: self.created_at,
            updated_at: self.updated_at,
        }
    }
}

type Selection = (
    provider_credentials::id,
    provider_credentials::provider_id,
    providers::name,
    provider_credentials::key_name,
    provider_credentials::masked_value,
    provider_credentials::environment,
    provider_credentials::is_active,
    provider_credentials::expires_at,
    provider_credentials::created_by,
    provider_credentials::organization_id,
    provider_credentials::created_at,
    provider_credentials::updated_at,
);

const SELECTION: Selection = (
    provider_credentials::id,
    provider_credentials::provider_id,
    providers::name,
    provider_credentials::key_name,
    provider_credentials::masked_value,
    provider_credentials::environment,
    provider_credentials::is_active,
    provider_credentials::expires_at,
    provider_credentials::created_by,
    provider_credentials::organization_id,
    provider_credentials::created_at,
    provider_credentials::updated_at,
);

/// Whose rows: an organisation's, or all of them.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Scope {
    Organization(Uuid),
    Everything,
}

/// Which rows are listed.
#[derive(Debug, Default)]
pub(crate) struct CredentialFilter {
    pub(crate) provider: Option<String>,
    pub(crate) environment: Option<String>,
    pub(crate) active_only: bool,
}

pub(crate) async fn list_credentials(
    conn: &mut AsyncPgConnection,
    scope: Scope,
    filter: &CredentialFilter,
    offset: i64,
    limit: i64,
) -> QueryResult<(i64, Vec<CredentialRow>)> {
    let selected = || {
        let mut query = provider_credentials::table
            .inner_join(providers::table.on(provider_credentials::provider_id.eq(providers::id)))
            .into_boxed::<diesel::pg::Pg>();
        if let Scope::Organization(id) = scope {
            query = query.filter(provider_credentials::organization_id.eq(id));
        }
        if let Some(slug) = &filter.provider {
            query = query.filter(providers::slug.eq(slug.clone()));
        }
        if let Some(environment) = &filter.environment {
            query = query.filter(provider_credentials::environment.eq(environment.clone()));
        }
        if filter.active_only {
            query = query.filter(provider_credentials::is_active);
        }
        query
    };
    let count = selected().count().get_result(conn).await?;
    let rows = selected()
        .order((
            providers::name,
            provider_credentials::key_name,
            provider_credentials::id,
        ))
        .offset(offset)
        .limit(limit)
        .select(SELECTION)
        .load(conn)
        .await?;
    Ok((count, rows))
}

pub(crate) async fn find_credential(
    conn: &mut AsyncPgConnection,
    scope: Scope,
    id: Uuid,
) -> QueryResult<Option<CredentialRow>> {
    let mut query = provider_credentials::table
        .inner_join(providers::table.on(provider_credentials::provider_id.eq(providers::id)))
        .filter(provider_credentials::id.eq(id))
        .into_boxed::<diesel::pg::Pg>();
    if let Scope::Organization(organization) = scope {
        query = query.filter(provider_credentials::organization_id.eq(organization));
    }
    query.select(SELECTION).first(conn).await.optional()
}

/// What is written.
pub(crate) struct NewCredential<'a> {
    pub(crate) id: Uuid,
    pub(crate) provider_id: Uuid,
    pub(crate) organization_id: Option<Uuid>,
    pub(crate) key_name: &'a str,
    pub(crate) value: &'a str,
    pub(crate) environment: &'a str,
    pub(crate) is_active: bool,
    pub(crate) expires_at: Option<DateTime<Utc>>,
    pub(crate) created_by: Option<Uuid>,
}

pub(crate) async fn insert_credential(
    conn: &mut AsyncPgConnection,
    state: &AppState,
    new: &NewCredential<'_>,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    diesel::insert_into(provider_credentials::table)
        .values((
            provider_credentials::id.eq(new.id),
            provider_credentials::provider_id.eq(new.provider_id),
            provider_credentials::organization_id.eq(new.organization_id),
            provider_credentials::key_name.eq(new.key_name),
            provider_credentials::value_sealed.eq(state.seal(
                "provider_credentials",
                new.id,
                "value_sealed",
                new.value.as_bytes(),
            )),
            provider_credentials::masked_value.eq(mask(new.value)),
            provider_credentials::environment.eq(new.environment),
            provider_credentials::is_active.eq(new.is_active),
            provider_credentials::expires_at.eq(new.expires_at),
            provider_credentials::created_by.eq(new.created_by),
            provider_credentials::created_at.eq(now),
            provider_credentials::updated_at.eq(now),
        ))
        .execute(conn)
        .await?;
    emit_changed(conn, new.id, now).await
}

/// Sets a new value.
pub(crate) async fn update_value(
    conn: &mut AsyncPgConnection,
    state: &AppState,
    id: Uuid,
    value: &str,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    diesel::update(provider_credentials::table.find(id))
        .set((
            provider_credentials::value_sealed.eq(state.seal(
                "provider_credentials",
                id,
                "value_sealed",
                value.as_bytes(),
            )),
            provider_credentials::masked_value.eq(mask(value)),
            provider_credentials::version.eq(provider_credentials::version + 1),
            provider_credentials::updated_at.eq(now),
        ))
        .execute(conn)
        .await?;
    emit_changed(conn, id, now).await
}

/// Switches a credential on or off, sets its end; `None` leaves what it is.
pub(crate) async fn update_use(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    is_active: Option<bool>,
    expires_at: Option<Option<DateTime<Utc>>>,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    diesel::update(provider_credentials::table.find(id))
        .set((
            is_active.map(|on| provider_credentials::is_active.eq(on)),
            expires_at.map(|at| provider_credentials::expires_at.eq(at)),
            provider_credentials::version.eq(provider_credentials::version + 1),
            provider_credentials::updated_at.eq(now),
        ))
        .execute(conn)
        .await?;
    emit_changed(conn, id, now).await
}

/// Removes a credential and tells whoever holds it.
pub(crate) async fn delete_credential(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    update_use(conn, id, Some(false), None, now).await?;
    diesel::delete(provider_credentials::table.find(id))
        .execute(conn)
        .await
        .map(|_| ())
}

async fn emit_changed(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    let (version, organization_id, provider_slug): (i64, Option<Uuid>, String) =
        provider_credentials::table
            .inner_join(providers::table.on(provider_credentials::provider_id.eq(providers::id)))
            .filter(provider_credentials::id.eq(id))
            .select((
                provider_credentials::version,
                provider_credentials::organization_id,
                providers::slug,
            ))
            .first(conn)
            .await?;
    let event = CredentialChanged {
        credential_id: id,
        aggregate_version: version,
        organization_id,
        provider_slug,
        changed_at: now,
    };
    outbox::emit(conn, SERVICE, &event, now).await.map(|_| ())
}

/// Writes a value that settings give, when it is new or another one.
pub(crate) async fn ensure_default(
    conn: &mut AsyncPgConnection,
    state: &AppState,
    provider_id: Uuid,
    key_name: &str,
    value: &str,
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    let environment = Registry::environment(state);
    let known: Option<(Uuid, String)> = provider_credentials::table
        .filter(provider_credentials::provider_id.eq(provider_id))
        .filter(provider_credentials::key_name.eq(key_name))
        .filter(provider_credentials::environment.eq(environment))
        .filter(provider_credentials::organization_id.is_null())
        .select((provider_credentials::id, provider_credentials::value_sealed))
        .first(conn)
        .await
        .optional()?;
    match known {
        Some((id, sealed)) => {
            let current = state.open("provider_credentials", id, "value_sealed", &sealed);
            if !current.is_ok_and(|current| current == value) {
                update_value(conn, state, id, value, now).await?;
            }
        }
        None => {
            let new = NewCredential {
                id: Uuid::now_v7(),
                provider_id,
                organization_id: None,
                key_name,
                value,
                environment,
                is_active: true,
                expires_at: None,
                created_by: None,
            };
            insert_credential(conn, state, &new, now).await?;
        }
    }
    Ok(())
}
