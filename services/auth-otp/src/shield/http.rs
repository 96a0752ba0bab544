//! `/api/admin/auth-otp/shield/` with its switches, and `/api/admin/auth-otp/phones/unlock/`: the operator's side of the shield.

use actix_web::{HttpResponse, web};
use chrono::{DateTime, TimeDelta, Utc};
use common_types::PhoneNumber;
use diesel_async::AsyncPgConnection;
use serde::{Deserialize, Serialize};
use serde_json::json;
use service_audit::{ActorKind, AuditEntry};
use service_http::text::required;
use service_http::{AccessClaims, Allowed, ApiError, ClientIp, Json, Path, Superuser};
use utoipa::ToSchema;
use uuid::Uuid;

use super::attack::FAILURES;
use super::ledger::start_of;
use super::model::{self, Scope};
use super::store::{self, SwitchRow};
use crate::code::budget::{ALL_PER_HOUR, RIAL_PER_DAY, RIAL_PER_HOUR};
use crate::state::AppState;
use crate::validate::Errors;

/// The longest switch or block that ends by itself: a year.
const LONGEST_SECONDS: i64 = 31_536_000;
pub(super) const MAX_REASON: usize = 500;

service_http::permission!(
    /// May stop all codes of the platform, and those of the own organisation.
    pub StopCodes, "codes.stop",
    |claims| claims.superuser
        || (claims.org.is_some()
            && claims.clinic_role == Some(common_types::ClinicRole::Admin))
);

/// A switch as shown.
#[derive(Debug, Serialize, ToSchema)]
pub struct SwitchResponse {
    /// `all`, `purpose:<name>`, `organization:<id>` or `challenge`.
    pub scope: String,
    /// Why.
    pub reason: String,
    /// Who; absent when the platform did it.
    pub set_by: Option<Uuid>,
    /// Since when.
    pub set_at: DateTime<Utc>,
    /// Until when; absent until somebody lifts it.
    pub ends_at: Option<DateTime<Utc>>,
}

impl From<SwitchRow> for SwitchResponse {
    fn from(row: SwitchRow) -> Self {
        Self {
            scope: row.scope,
            reason: row.reason,
            set_by: row.set_by,
            set_at: row.set_at,
            ends_at: row.ends_at,
        }
    }
}

/// Why, and for how long.
#[derive(Debug, Deserialize, ToSchema)]
pub struct SwitchRequest {
    /// Kept in the row and the audit trail.
    pub reason: Option<String>,
    /// 1 to a year; without it the switch stands until it is lifted.
    pub seconds: Option<i64>,
}

/// A number that was proven by other means.
#[derive(Debug, Deserialize, ToSchema)]
pub struct UnlockRequest {
    /// Any spelling.
    pub phone_number: Option<String>,
    /// How it was proven.
    pub reason: Option<String>,
}

pub(super) fn seconds(given: Option<i64>, errors: &mut Errors) -> Option<TimeDelta> {
    if given.is_some_and(|seconds| !(1..=LONGEST_SECONDS).contains(&seconds)) {
        errors.add("seconds", "1 to 31536000 is expected.");
    }
    given.and_then(TimeDelta::try_seconds)
}

pub(super) fn entry(
    who: &AccessClaims,
    ip: std::net::IpAddr,
    action: &'static str,
    now: DateTime<Utc>,
) -> AuditEntry {
    AuditEntry::new(who.sub, ActorKind::User, action, now)
        .organization(who.org)
        .origin(Some(ip), service_telemetry::current_request_id())
}

/// Switches, challenge mode, and how much of the budgets over everything is spent.
#[utoipa::path(get, path = "/api/admin/auth-otp/shield/", tag = "shield", operation_id = "show_shield",
    responses((status = 200), (status = 403)))]
pub async fn show_shield(
    state: web::Data<AppState>,
    _: Allowed<Superuser>,
) -> Result<HttpResponse, ApiError> {
    let now = state.now();
    let (hour, day) = (TimeDelta::hours(1), TimeDelta::days(1));
    let settings = &state.settings;
    let mut conn = state.stack.db.get().await?;
    let switches = store::list_living_switches(&mut conn, now).await?;
    let challenging = switches.iter().any(|row| row.scope == model::CHALLENGE);
    let codes = store::read_counter(&mut conn, ALL_PER_HOUR, start_of(hour, now)).await?;
    let rial_hour = store::read_counter(&mut conn, RIAL_PER_HOUR, start_of(hour, now)).await?;
    let rial_day = store::read_counter(&mut conn, RIAL_PER_DAY, start_of(day, now)).await?;
    let failures = store::sum_since(&mut conn, FAILURES, now - TimeDelta::minutes(10)).await?;
    let (blocked, _) = store::list_blocks(&mut conn, None, now, 0, 1).await?;
    Ok(HttpResponse::Ok().json(json!({
        "sending": settings.shield.sending,
        "switches": switches.into_iter().map(SwitchResponse::from).collect::<Vec<_>>(),
        "challenge_mode": challenging,
        "failures_in_ten_minutes": failures,
        "challenge_failures": settings.shield.challenge_failures,
        "blocked_sources": blocked,
        // What processes have taken in batches counts as spent.
        "codes_this_hour": {"spent": codes, "limit": settings.widened(settings.budgets.global_per_hour)},
        "rial_this_hour": {"spent": rial_hour, "limit": settings.shield.rial_per_hour},
        "rial_today": {"spent": rial_day, "limit": settings.shield.rial_per_day},
    })))
}

/// Whether this person may touch this switch; a foreign organisation's does not exist for them.
fn own_scope(who: &AccessClaims, text: &str) -> Result<Scope, ApiError> {
    let scope = Scope::parse(text)
        .ok_or_else(|| ApiError::not_found("shield.unknown_switch", "There is no such switch."))?;
    match &scope {
        _ if who.superuser => Ok(scope),
        Scope::Organization(id) if Some(*id) == who.org => Ok(scope),
        Scope::Organization(_) => Err(ApiError::not_found(
            "shield.unknown_switch",
            "There is no such switch.",
        )),
        Scope::All | Scope::Purpose(_) | Scope::Challenge => Err(ApiError::permission_denied()),
    }
}

/// Stops codes, or starts challenge mode. Every process obeys within a second.
#[utoipa::path(put, path = "/api/admin/auth-otp/shield/switches/{scope}/", tag = "shield", operation_id = "set_shield_switch",
    params(("scope" = String, Path, description = "`all`, `purpose:<name>`, `organization:<id>` or `challenge`")),
    request_body = SwitchRequest, responses((status = 200, body = SwitchResponse), (status = 400), (status = 403), (status = 404)))]
pub async fn set_switch(
    state: web::Data<AppState>,
    who: Allowed<StopCodes>,
    ClientIp(ip): ClientIp,
    scope: Path<String>,
    body: Json<SwitchRequest>,
) -> Result<HttpResponse, ApiError> {
    let scope = own_scope(&who, &scope)?;
    let body = body.into_inner();
    let mut errors = Errors::new();
    let reason = errors.required("reason", body.reason, MAX_REASON);
    let length = seconds(body.seconds, &mut errors);
    errors.into_result()?;
    let now = state.now();
    let ends_at = length.map(|length| now + length);
    let text = scope.to_string();
    let entry = entry(&who, ip, "auth.codes_stopped", now)
        .subject("shield_switch", &text)
        .details(json!({"reason": reason, "until": ends_at}));
    let actor = who.sub;
    state
        .stack
        .db
        .transaction(
            async |conn: &mut AsyncPgConnection| -> Result<(), ApiError> {
                store::put_switch(conn, &text, &reason, Some(actor), now, ends_at).await?;
                service_audit::record(conn, entry.clone()).await?;
                Ok(())
            },
        )
        .await?;
    state.shield.snapshots.forget();
    tracing::warn!(scope = %text, "codes are stopped by an operator");
    Ok(HttpResponse::Ok().json(SwitchResponse {
        scope: text,
        reason,
        set_by: Some(actor),
        set_at: now,
        ends_at,
    }))
}

/// Lifts a switch.
#[utoipa::path(delete, path = "/api/admin/auth-otp/shield/switches/{scope}/", tag = "shield", operation_id = "lift_shield_switch",
    params(("scope" = String, Path)), responses((status = 204), (status = 403), (status = 404)))]
pub async fn lift_switch(
    state: web::Data<AppState>,
    who: Allowed<StopCodes>,
    ClientIp(ip): ClientIp,
    scope: Path<String>,
) -> Result<HttpResponse, ApiError> {
    let text = own_scope(&who, &scope)?.to_string();
    let entry = entry(&who, ip, "auth.codes_resumed", state.now()).subject("shield_switch", &text);
    let stood = state
        .stack
        .db
        .transaction(
            async |conn: &mut AsyncPgConnection| -> Result<bool, ApiError> {
                if !store::delete_switch(conn, &text).await? {
                    return Ok(false);
                }
                service_audit::record(conn, entry.clone()).await?;
                Ok(true)
            },
        )
        .await?;
    if !stood {
        return Err(ApiError::not_found(
            "shield.unknown_switch",
            "This switch is not set.",
        ));
    }
    state.shield.snapshots.forget();
    Ok(HttpResponse::NoContent().finish())
}

/// Ends the wrong codes of a number that was proven by other means, such as a document at the desk.
#[utoipa::path(post, path = "/api/admin/auth-otp/phones/unlock/", tag = "shield", operation_id = "unlock_phone",
    request_body = UnlockRequest, responses((status = 200), (status = 400), (status = 403)))]
pub async fn unlock_phone(
    state: web::Data<AppState>,
    who: Allowed<Superuser>,
    ClientIp(ip): ClientIp,
    body: Json<UnlockRequest>,
) -> Result<HttpResponse, ApiError> {
    let body = body.into_inner();
    let mut errors = Errors::new();
    let phone = match body.phone_number.as_deref().map(PhoneNumber::parse) {
        None => {
            errors.add("phone_number", required());
            None
        }
        Some(Err(error)) => {
            errors.add("phone_number", error.to_string());
            None
        }
        Some(Ok(phone)) => Some(phone),
    };
    let reason = errors.required("reason", body.reason, MAX_REASON);
    errors.into_result()?;
    let phone = phone.ok_or_else(ApiError::invalid)?;
    // The trail names the number by its keyed digest only.
    let key = state.settings.codes.key.expose().as_bytes();
    let digest =
        service_auth::tokens::hmac_sha256(key, &[b"tabib.phone.v1", phone.e164().as_bytes()]);
    let entry = entry(&who, ip, "auth.phone_unlocked", state.now())
        .subject("phone", hex::encode(&digest[..16]))
        .details(json!({"reason": reason}));
    let failures = state
        .stack
        .db
        .transaction(
            async |conn: &mut AsyncPgConnection| -> Result<i32, ApiError> {
                let failures = store::forget_failures(conn, phone.e164()).await?;
                service_audit::record(conn, entry.clone()).await?;
                Ok(failures.unwrap_or(0))
            },
        )
        .await?;
    Ok(HttpResponse::Ok().json(json!({"phone_number": phone.e164(), "failures": failures})))
}
