//! Use cases on endpoints of incoming webhooks; each change leaves an audit row in its transaction.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use service_audit::{AuditEntry, record};
use service_auth::tokens::random_alphanumeric;
use service_db::{DbError, violated};
use service_http::{ApiError, Text, text};
use uuid::Uuid;

use super::{
    store::{self, EndpointChange, EndpointFilter, EndpointResponse, NewEndpoint},
    wanted::{Refusals, Wanted, check},
};
use crate::{AppState, actor::Actor};

pub(super) fn audit(
    actor: &Actor,
    action: &'static str,
    id: Uuid,
    now: DateTime<Utc>,
) -> AuditEntry {
    actor
        .audit(action, actor.organization(), now)
        .subject("webhook_endpoint", id)
}

fn refusal_of(error: DbError, provider: Option<Uuid>) -> ApiError {
    let violation = match &error {
        DbError::Query(error) => violated(error),
        DbError::Timeout(_) | DbError::Connect(_) => None,
    };
    match violation {
        Some("webhook_endpoints_endpoint_url_key") => ApiError::invalid().field(
            "endpoint_url",
            "webhook endpoint with this endpoint url already exists.",
        ),
        Some("webhook_endpoints_provider_id_fkey") => ApiError::invalid().field(
            "provider",
            format!(
                "Invalid pk \"{}\" - object does not exist.",
                provider.unwrap_or_default()
            ),
        ),
        _ => ApiError::internal(error),
    }
}

/// An endpoint as shown.
pub(crate) async fn find(
    state: &AppState,
    organization: Option<Uuid>,
    id: Uuid,
) -> Result<EndpointResponse, ApiError> {
    let filter = EndpointFilter {
        organization_id: organization,
        id: Some(id),
        ..EndpointFilter::default()
    };
    let mut conn = state.stack.db.get().await?;
    let (_, mut rows) = store::list_endpoints(&mut conn, &filter, 0, 1).await?;
    rows.pop().ok_or_else(missing)
}

pub(crate) fn missing() -> ApiError {
    ApiError::no_match("webhook.endpoint_missing", "WebhookEndpoint")
}

/// 32 random characters that can stand in any header or file.
pub(crate) fn new_secret() -> String {
    random_alphanumeric(43)
}

/// Registers an endpoint.
///
/// # Errors
/// 400 field by field.
pub(crate) async fn create(
    state: &AppState,
    actor: &Actor,
    wanted: Wanted,
) -> Result<EndpointResponse, ApiError> {
    check(&wanted)?;
    let mut refusals = Refusals::default();
    let (Some(provider_id), Some(name), Some(url), Some(secret)) = (
        wanted.provider,
        &wanted.name,
        &wanted.endpoint_url,
        &wanted.secret_key,
    ) else {
        for (field, absent) in [
            ("provider", wanted.provider.is_none()),
            ("name", wanted.name.is_none()),
            ("endpoint_url", wanted.endpoint_url.is_none()),
            ("secret_key", wanted.secret_key.is_none()),
        ] {
            if absent {
                refusals.add(field, text::required());
            }
        }
        return Err(refusals.0.unwrap_or_else(ApiError::invalid));
    };
    let (id, now) = (Uuid::now_v7(), state.now());
    let new = NewEndpoint {
        id,
        provider_id,
        organization_id: actor.organization(),
        name: name.trim().to_owned(),
        endpoint_url: url.trim_matches('/').to_owned(),
        secret_sealed: state.seal("webhook_endpoints", id, "secret_sealed", secret.as_bytes()),
        events: wanted.events.unwrap_or_default(),
        is_active: wanted.is_active.unwrap_or(true),
        retry_count: wanted.retry_count.unwrap_or(3),
        timeout_seconds: wanted.timeout_seconds.unwrap_or(30),
        scheme: wanted.scheme.unwrap_or_else(|| "auto".to_owned()),
        scheme_options: wanted.scheme_options.unwrap_or_else(|| json!({})),
        tolerance_seconds: wanted.tolerance_seconds.flatten(),
        legacy_replies: wanted.legacy_replies.unwrap_or(false),
        created_at: now,
        updated_at: now,
    };
    let audit = audit(actor, "integrations.webhook_created", id, now);
    state
        .stack
        .db
        .transaction(async |conn| {
            record(conn, audit.clone()).await?;
            store::insert_endpoint(conn, &new).await?;
            Ok::<_, DbError>(())
        })
        .await
        .map_err(|error| refusal_of(error, Some(provider_id)))?;
    find(state, actor.organization(), id).await
}

async fn change(
    state: &AppState,
    actor: &Actor,
    id: Uuid,
    action: &'static str,
    change: EndpointChange,
) -> Result<EndpointResponse, ApiError> {
    let (now, organization) = (state.now(), actor.organization());
    let audit = audit(actor, action, id, now);
    let provider = change.provider_id;
    let found = state
        .stack
        .db
        .transaction(async |conn| {
            let Some(known) = store::lock_endpoint(conn, organization, id).await? else {
                return Ok(false);
            };
            let mut change = change.clone();
            if change.previous_secret_until.is_some() {
                // The sealed text is bound to its column, hence opened and sealed anew.
                let secret = state
                    .open(
                        "webhook_endpoints",
                        id,
                        "secret_sealed",
                        &known.secret_sealed,
                    )
                    .map_err(|error| {
                        DbError::Query(diesel::result::Error::DeserializationError(error.into()))
                    })?;
                let sealed = state.seal(
                    "webhook_endpoints",
                    id,
                    "previous_secret_sealed",
                    secret.as_bytes(),
                );
                change.previous_secret_sealed = Some(Some(sealed));
            }
            record(conn, audit.clone()).await?;
            store::update_endpoint(conn, id, change).await?;
            Ok::<_, DbError>(true)
        })
        .await
        .map_err(|error| refusal_of(error, provider))?;
    if !found {
        return Err(missing());
    }
    find(state, organization, id).await
}

/// Changes an endpoint. A new secret replaces the old one at once; [`rotate`] keeps both for a while.
///
/// # Errors
/// 400 field by field, 404.
pub(crate) async fn update(
    state: &AppState,
    actor: &Actor,
    id: Uuid,
    wanted: Wanted,
) -> Result<EndpointResponse, ApiError> {
    check(&wanted)?;
    let seal =
        |secret: String| state.seal("webhook_endpoints", id, "secret_sealed", secret.as_bytes());
    let plain = wanted
        .scheme
        .as_deref()
        .is_some_and(|scheme| scheme != "generic");
    let columns = EndpointChange {
        provider_id: wanted.provider,
        name: wanted.name.map(|name| name.trim().to_owned()),
        endpoint_url: wanted
            .endpoint_url
            .map(|url| url.trim_matches('/').to_owned()),
        secret_sealed: wanted.secret_key.map(seal),
        events: wanted.events,
        is_active: wanted.is_active,
        retry_count: wanted.retry_count,
        timeout_seconds: wanted.timeout_seconds,
        scheme: wanted.scheme,
        scheme_options: if plain {
            Some(json!({}))
        } else {
            wanted.scheme_options
        },
        tolerance_seconds: wanted.tolerance_seconds,
        legacy_replies: wanted.legacy_replies,
        updated_at: Some(state.now()),
        ..EndpointChange::default()
    };
    change(state, actor, id, "integrations.webhook_updated", columns).await
}

/// Gives an endpoint another secret; the one before is good until the overlap has passed.
///
/// # Errors
/// 400 field by field, 404.
pub(crate) async fn rotate(
    state: &AppState,
    actor: &Actor,
    id: Uuid,
    secret: String,
    overlap_hours: i64,
) -> Result<EndpointResponse, ApiError> {
    if !(0..=168).contains(&overlap_hours) {
        return Err(ApiError::invalid().field("overlap_hours", "0 to 168 are expected."));
    }
    let wanted = Wanted {
        secret_key: Some(secret.clone()),
        ..Wanted::default()
    };
    check(&wanted)?;
    let now = state.now();
    let columns = EndpointChange {
        secret_sealed: Some(state.seal(
            "webhook_endpoints",
            id,
            "secret_sealed",
            secret.as_bytes(),
        )),
        previous_secret_until: Some(Some(now + TimeDelta::hours(overlap_hours))),
        updated_at: Some(now),
        ..EndpointChange::default()
    };
    change(
        state,
        actor,
        id,
        "integrations.webhook_secret_rotated",
        columns,
    )
    .await
}

/// Removes an endpoint that never received an event.
///
/// # Errors
/// 404, 409 when it has events: they are evidence.
pub(crate) async fn delete(state: &AppState, actor: &Actor, id: Uuid) -> Result<(), ApiError> {
    let (now, organization) = (state.now(), actor.organization());
    let audit = audit(actor, "integrations.webhook_deleted", id, now);
    let done = state
        .stack
        .db
        .transaction(async |conn| {
            if store::lock_endpoint(conn, organization, id)
                .await?
                .is_none()
            {
                return Ok(None);
            }
            let deleted = store::delete_endpoint(conn, id).await?;
            if deleted {
                record(conn, audit.clone()).await?;
            }
            Ok::<_, DbError>(Some(deleted))
        })
        .await?;
    match done {
        None => Err(missing()),
        Some(true) => Ok(()),
        Some(false) => Err(ApiError::conflict(
            "webhook.endpoint_has_events",
            Text::i18n(
                "این نشانی رویداد دریافت کرده است؛ به‌جای حذف، آن را غیرفعال کنید.",
                "Ce point d'accès a reçu des événements ; désactivez-le au lieu de le supprimer.",
                "The endpoint has received events; switch it off instead.",
            ),
        )),
    }
}
