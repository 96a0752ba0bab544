//! Use cases on endpoints; each change leaves an audit row in its transaction.

use chrono::{DateTime, TimeDelta, Utc};
use common_types::{AccessClaims, Language};
use serde_json::json;
use service_audit::{AuditEntry, record};
use service_http::text;
use uuid::Uuid;

use super::{
    endpoint_store::{self, EndpointChange, EndpointRow, NewEndpoint, Owner},
    error::OutgoingError,
    store,
    wanted::{Wanted, check_types, invalid, secret_or_new},
    words,
};
use crate::{AppState, actor::Actor};

impl Actor {
    /// Whose endpoints this caller manages.
    pub(super) fn owner(&self) -> Result<Owner, OutgoingError> {
        owner_of(&self.claims)
    }
}

pub(super) fn audit(
    actor: &Actor,
    action: &'static str,
    endpoint: &EndpointRow,
    now: DateTime<Utc>,
) -> AuditEntry {
    actor
        .audit(action, endpoint.organization_id, now)
        .subject("webhook_endpoint", endpoint.id)
}

/// An admin manages the organisation's endpoints, a superuser all of them.
pub(crate) fn owner_of(claims: &AccessClaims) -> Result<Owner, OutgoingError> {
    match (claims.superuser, claims.org) {
        (true, _) => Ok(Owner::Platform),
        (false, Some(organization)) => Ok(Owner::Organization(organization)),
        (false, None) => Err(OutgoingError::Missing("WebhookEndpoint")),
    }
}

/// Makes an endpoint; answers it with its secret, which is never shown again.
///
/// # Errors
/// [`OutgoingError`].
pub(crate) async fn create(
    state: &AppState,
    actor: &Actor,
    wanted: Wanted,
    secret: Option<String>,
) -> Result<(EndpointRow, String), OutgoingError> {
    let owner = actor.owner()?;
    let wanted = wanted.check(state)?;
    let secret = secret_or_new(secret)?;
    let now = state.now();
    let language: Language = actor.claims.lang;
    let new = NewEndpoint {
        id: Uuid::now_v7(),
        organization_id: owner.organization(),
        name: wanted
            .name
            .ok_or_else(|| invalid("name", text::required()))?,
        url: wanted.url.ok_or_else(|| invalid("url", text::required()))?,
        event_types: wanted.event_types.unwrap_or_default(),
        ordered: wanted.ordered.unwrap_or(false),
        timeout_seconds: wanted.timeout_seconds.unwrap_or(15),
        notify_email: wanted.notify_email.filter(|email| !email.is_empty()),
        language: language.as_str(),
        created_by: Some(actor.claims.sub),
        created_at: now,
        updated_at: now,
    };
    let (id, most) = (new.id, state.settings.outgoing.endpoints_per_organization);
    let secret_ref = secret.as_str();
    let row = state
        .stack
        .db
        .transaction(async |conn| {
            check_types(conn, new.organization_id, Some(&new.event_types)).await?;
            if !endpoint_store::insert_endpoint(conn, new.clone(), most).await? {
                return Err(OutgoingError::TooMany(most));
            }
            endpoint_store::replace_secret(conn, state, id, secret_ref, TimeDelta::zero(), now)
                .await?;
            let row = endpoint_store::find_endpoint(conn, owner, id)
                .await?
                .ok_or(OutgoingError::Missing("WebhookEndpoint"))?;
            record(
                conn,
                audit(actor, "integrations.endpoint_created", &row, now),
            )
            .await?;
            Ok(row)
        })
        .await?;
    Ok((row, secret))
}

/// Finds an endpoint of the caller and locks it, for a change.
pub(super) async fn owned(
    conn: &mut diesel_async::AsyncPgConnection,
    owner: Owner,
    id: Uuid,
) -> Result<EndpointRow, OutgoingError> {
    let missing = OutgoingError::Missing("WebhookEndpoint");
    if endpoint_store::find_endpoint(conn, owner, id)
        .await?
        .is_none()
    {
        return Err(missing);
    }
    endpoint_store::lock_endpoint(conn, id)
        .await?
        .ok_or(missing)
}

/// Changes an endpoint. Switching it on forgets its failures; switching it off ends what is open.
///
/// # Errors
/// [`OutgoingError`].
pub(crate) async fn update(
    state: &AppState,
    actor: &Actor,
    id: Uuid,
    wanted: Wanted,
) -> Result<EndpointRow, OutgoingError> {
    let owner = actor.owner()?;
    let wanted = wanted.check(state)?;
    let now = state.now();
    state
        .stack
        .db
        .transaction(async |conn| {
            let row = owned(conn, owner, id).await?;
            let wanted = wanted.clone();
            check_types(conn, row.organization_id, wanted.event_types.as_deref()).await?;
            let mut change = EndpointChange {
                name: wanted.name,
                url: wanted.url,
                event_types: wanted.event_types,
                ordered: wanted.ordered,
                timeout_seconds: wanted.timeout_seconds,
                notify_email: wanted
                    .notify_email
                    .map(|email| Some(email).filter(|email| !email.is_empty())),
                updated_at: Some(now),
                ..EndpointChange::default()
            };
            match wanted.is_active {
                Some(true) if !row.is_active => {
                    change.is_active = Some(true);
                    change.disabled_reason = Some(None);
                    change.disabled_at = Some(None);
                    change.failing_since = Some(None);
                    change.consecutive_failures = Some(0);
                    change.paused_until = Some(None);
                }
                Some(false) if row.is_active => {
                    change.is_active = Some(false);
                    change.disabled_reason = Some(Some("manual"));
                    change.disabled_at = Some(Some(now));
                    store::fail_open_deliveries(conn, id, now).await?;
                }
                _ => {}
            }
            let row = endpoint_store::update_endpoint(conn, id, change).await?;
            let audit = audit(actor, "integrations.endpoint_updated", &row, now);
            record(conn, audit.details(json!({"is_active": row.is_active}))).await?;
            Ok(row)
        })
        .await
}

/// Removes an endpoint with its deliveries.
///
/// # Errors
/// [`OutgoingError`].
pub(crate) async fn delete(state: &AppState, actor: &Actor, id: Uuid) -> Result<(), OutgoingError> {
    let owner = actor.owner()?;
    let now = state.now();
    state
        .stack
        .db
        .transaction(async |conn| {
            let row = owned(conn, owner, id).await?;
            record(
                conn,
                audit(actor, "integrations.endpoint_deleted", &row, now),
            )
            .await?;
            endpoint_store::delete_endpoint(conn, id).await?;
            Ok(())
        })
        .await
}

/// Gives an endpoint another secret; messages carry signatures of both until the overlap has passed.
///
/// # Errors
/// [`OutgoingError`].
pub(crate) async fn rotate_secret(
    state: &AppState,
    actor: &Actor,
    id: Uuid,
    secret: Option<String>,
    overlap_hours: Option<i64>,
) -> Result<(String, DateTime<Utc>), OutgoingError> {
    let owner = actor.owner()?;
    let hours = overlap_hours.unwrap_or(24);
    if !(0..=168).contains(&hours) {
        return Err(invalid("overlap_hours", words::between(0, 168)));
    }
    let secret = secret_or_new(secret)?;
    let (now, overlap) = (state.now(), TimeDelta::hours(hours));
    let secret_ref = secret.as_str();
    state
        .stack
        .db
        .transaction(async |conn| {
            let row = owned(conn, owner, id).await?;
            endpoint_store::replace_secret(conn, state, id, secret_ref, overlap, now).await?;
            let audit = audit(actor, "integrations.endpoint_secret_rotated", &row, now);
            record(conn, audit.details(json!({"overlap_hours": hours}))).await?;
            Ok::<_, OutgoingError>(())
        })
        .await?;
    Ok((secret, now + overlap))
}
