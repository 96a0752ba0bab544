//! The caller's own second factor: shown, bound, confirmed, turned off.

use actix_web::{HttpResponse, web};
use diesel_async::AsyncPgConnection;
use serde_json::json;
use service_audit::{ActorKind, AuditEntry};
use service_http::{ApiError, Caller, ClientIp, Json, SensitiveCaller, SteppedUp};
use uuid::Uuid;

use super::dto::{ConfirmResponse, EnrolResponse, FactorCode, FactorStatus, RecoveryCodes};
use super::error::FactorError;
use super::factor::place;
use super::{consume, judge, model, store};
use crate::alert::{self, Alert};
use crate::session::http::no_store;
use crate::session::{end_others, prove};
use crate::state::AppState;
use crate::user::{User, store as users};
use crate::validate::Errors;

/// How the caller's second factor stands.
#[utoipa::path(get, path = "/api/auth/second-factor/", tag = "second factor", operation_id = "get_second_factor",
    responses((status = 200, body = FactorStatus)))]
pub async fn get_second_factor(
    state: web::Data<AppState>,
    caller: Caller,
) -> Result<HttpResponse, ApiError> {
    let mut conn = state.stack.db.get().await?;
    let user = own(&mut conn, caller.sub).await?;
    let standings = users::list_standings(&mut conn, user.id).await?;
    let standing = standings
        .iter()
        .find(|standing| Some(standing.organization_id) == caller.org);
    Ok(HttpResponse::Ok().json(FactorStatus {
        enabled: store::is_on(&mut conn, user.id).await?,
        required: state.settings.needs_second_factor(&user, standing),
        recovery_codes_left: store::count_recovery_codes(&mut conn, user.id).await?,
    }))
}

/// Makes a new authenticator secret, to be confirmed with its first code. The secret is shown this once.
#[utoipa::path(post, path = "/api/auth/second-factor/enrol/", tag = "second factor", operation_id = "enrol_second_factor",
    responses((status = 200, body = EnrolResponse), (status = 403, description = "`auth.step_up_required`"), (status = 409)))]
pub async fn enrol_second_factor(
    state: web::Data<AppState>,
    caller: SteppedUp,
) -> Result<HttpResponse, ApiError> {
    let mut conn = state.stack.db.get().await?;
    let user = own(&mut conn, caller.sub).await?;
    let secret = model::new_secret();
    let sealed = state.sealer.seal(&place(user.id), &*secret);
    if !store::upsert_secret(&mut conn, user.id, &sealed, state.now()).await? {
        return Err(FactorError::AlreadyOn.into());
    }
    let issuer = &state.settings.second_factor.issuer;
    let url = model::authenticator(&*secret, issuer, &account(&user))
        .and_then(|authenticator| authenticator.to_url())
        .map_err(|error| anyhow::anyhow!("the authenticator's address: {error}"))?;
    Ok(no_store().json(EnrolResponse {
        secret: model::base32(&*secret),
        otpauth_url: url,
    }))
}

/// Turns the factor on with the application's first code. This session has proved it; the user's others end.
#[utoipa::path(post, path = "/api/auth/second-factor/confirm/", tag = "second factor", operation_id = "confirm_second_factor",
    request_body = FactorCode, responses((status = 200, body = ConfirmResponse), (status = 400), (status = 409), (status = 429)))]
pub async fn confirm_second_factor(
    state: web::Data<AppState>,
    caller: SensitiveCaller,
    ClientIp(ip): ClientIp,
    body: Json<FactorCode>,
) -> Result<HttpResponse, ApiError> {
    let mut errors = Errors::new();
    let code = errors.required("code", body.into_inner().code, 50);
    errors.into_result()?;
    let proof = judge(&state, caller.sub, &code, false).await?;
    let now = state.now();
    let codes = model::new_recovery_codes();
    let hashes = hashes(&state, caller.sub, &codes);
    let keys = state.keys.get().await.map_err(anyhow::Error::from)?;
    let access = state
        .stack
        .db
        .transaction(
            async |conn: &mut AsyncPgConnection| -> Result<Option<String>, ApiError> {
                let right = consume(conn, caller.sub, proof, now).await?;
                if !right || !store::confirm(conn, caller.sub, now).await? {
                    return Ok(None);
                }
                store::replace_recovery_codes(conn, caller.sub, &hashes, now).await?;
                let user = own(conn, caller.sub).await?;
                alert::insert(conn, &user, Alert::SecondFactorOn, now).await?;
                let action = "auth.second_factor_enabled";
                let entry = AuditEntry::new(user.id, ActorKind::User, action, now)
                    .subject("user", user.id)
                    .origin(Some(ip), service_telemetry::current_request_id());
                service_audit::record(conn, entry).await?;
                Ok(prove(conn, &state, &keys, caller.sid, true, now).await?)
            },
        )
        .await?;
    let access = access.ok_or(FactorError::Wrong)?;
    let keep = Some(caller.sid);
    end_others(&state, caller.sub, keep, "second_factor_enabled").await?;
    Ok(no_store().json(ConfirmResponse {
        recovery_codes: codes,
        access,
    }))
}

/// Turns the factor off; recovery codes go with it.
#[utoipa::path(post, path = "/api/auth/second-factor/disable/", tag = "second factor", operation_id = "disable_second_factor",
    responses((status = 204), (status = 403, description = "`auth.step_up_required`"), (status = 409)))]
pub async fn disable_second_factor(
    state: web::Data<AppState>,
    caller: SteppedUp,
    ClientIp(ip): ClientIp,
) -> Result<HttpResponse, ApiError> {
    let now = state.now();
    state
        .stack
        .db
        .transaction(
            async |conn: &mut AsyncPgConnection| -> Result<(), ApiError> {
                let user = own(conn, caller.sub).await?;
                if !store::remove(conn, user.id).await? {
                    return Err(FactorError::NotEnrolled.into());
                }
                store::end_challenges(conn, user.id, now).await?;
                alert::insert(conn, &user, Alert::SecondFactorOff, now).await?;
                let action = "auth.second_factor_disabled";
                let entry = AuditEntry::new(user.id, ActorKind::User, action, now)
                    .subject("user", user.id)
                    .origin(Some(ip), service_telemetry::current_request_id())
                    .details(json!({"by": "owner"}));
                service_audit::record(conn, entry).await?;
                Ok(())
            },
        )
        .await?;
    Ok(HttpResponse::NoContent().finish())
}

/// New recovery codes in place of the old ones.
#[utoipa::path(post, path = "/api/auth/second-factor/recovery-codes/", tag = "second factor", operation_id = "create_recovery_codes",
    responses((status = 200, body = RecoveryCodes), (status = 403, description = "`auth.step_up_required`"), (status = 409)))]
pub async fn create_recovery_codes(
    state: web::Data<AppState>,
    caller: SteppedUp,
    ClientIp(ip): ClientIp,
) -> Result<HttpResponse, ApiError> {
    let now = state.now();
    let codes = model::new_recovery_codes();
    let hashes = hashes(&state, caller.sub, &codes);
    state
        .stack
        .db
        .transaction(
            async |conn: &mut AsyncPgConnection| -> Result<(), ApiError> {
                if !store::is_on(conn, caller.sub).await? {
                    return Err(FactorError::NotEnrolled.into());
                }
                store::replace_recovery_codes(conn, caller.sub, &hashes, now).await?;
                let action = "auth.recovery_codes_made";
                let entry = AuditEntry::new(caller.sub, ActorKind::User, action, now)
                    .subject("user", caller.sub)
                    .origin(Some(ip), service_telemetry::current_request_id());
                service_audit::record(conn, entry).await?;
                Ok(())
            },
        )
        .await?;
    Ok(no_store().json(RecoveryCodes {
        recovery_codes: codes,
    }))
}

fn hashes(state: &AppState, user: Uuid, codes: &[String]) -> Vec<Vec<u8>> {
    let key = state.settings.codes.key.expose().as_bytes();
    codes
        .iter()
        .filter_map(|code| model::normalize_recovery_code(code))
        .map(|code| model::hash_recovery_code(key, user, &code))
        .collect()
}

async fn own(conn: &mut AsyncPgConnection, id: Uuid) -> Result<User, ApiError> {
    users::find_user(conn, id)
        .await?
        .ok_or_else(ApiError::token_invalid)
}

/// The account's name in the application.
fn account(user: &User) -> String {
    let phone = user.phone.as_ref().map(common_types::PhoneNumber::national);
    user.username
        .clone()
        .or(phone)
        .unwrap_or_else(|| user.number.to_string())
}
