//! `POST /api/auth/phone-change/{request,confirm}/`.

use actix_web::{HttpResponse, web};
use chrono::TimeDelta;
use common_types::PhoneNumber;
use common_types::internal::auth::Revocation;
use diesel::result::{DatabaseErrorKind, Error as QueryError};
use diesel_async::AsyncPgConnection;
use serde::{Deserialize, Serialize};
use service_audit::{ActorKind, AuditEntry};
use service_http::text::{not_blank, required};
use service_http::{ApiError, Json, SensitiveCaller, SteppedUp, Text};
use utoipa::ToSchema;
use uuid::Uuid;

use super::store::{self, PhoneChange};
use crate::alert::{self, Alert};
use crate::code::model::PHONE_CHANGE;
use crate::code::{self, Verdict};
use crate::login::limits;
use crate::own_codes;
use crate::second_factor;
use crate::session::open::Origin;
use crate::session::{OpenedBy, opened_by, prove_phone, revocation};
use crate::state::AppState;
use crate::user::{service as user_service, store as users};
use crate::validate::Errors;

/// The new number.
#[derive(Debug, Deserialize, ToSchema)]
pub struct PhoneChangeRequest {
    /// Any spelling.
    pub phone_number: Option<String>,
}

/// The codes are on their way.
#[derive(Debug, Serialize, ToSchema)]
pub struct PhoneChangeRequested {
    /// The codes' lifetime in seconds.
    pub ttl: i64,
    /// A code went to the old number as well and is needed.
    pub old_code_needed: bool,
}

/// The codes.
#[derive(Deserialize, ToSchema)]
pub struct PhoneChangeConfirm {
    /// The code that the new number got.
    pub code: Option<String>,
    /// The code that the old number got.
    pub old_code: Option<String>,
}

/// The account's phone now.
#[derive(Debug, Serialize, ToSchema)]
pub struct PhoneChanged {
    /// E.164.
    pub phone_number: String,
}

/// Sends one code to the old number and one to the new. Whether the new one belongs to somebody is told only to who has
/// proved it.
#[utoipa::path(post, path = "/api/auth/phone-change/request/", tag = "phone change", operation_id = "request_phone_change",
    request_body = PhoneChangeRequest, responses((status = 200, body = PhoneChangeRequested), (status = 400),
        (status = 403, description = "`auth.step_up_required`"), (status = 429)))]
pub async fn request_phone_change(
    state: web::Data<AppState>,
    caller: SteppedUp,
    origin: Origin,
    body: Json<PhoneChangeRequest>,
) -> Result<HttpResponse, ApiError> {
    let typed = body.phone_number.as_deref().unwrap_or_default();
    limits::asking(&state, origin.ip, typed).await?;
    let new = parse(body.phone_number.as_deref())?;
    let now = state.now();
    let mut conn = state.stack.db.get().await?;
    let user = users::find_user(&mut conn, caller.sub).await?;
    let user = user.ok_or_else(ApiError::token_invalid)?;
    let by = opened_by(&mut conn, caller.sid).await?;
    let by = by.ok_or_else(ApiError::token_invalid)?;
    drop(conn);
    if user.phone.as_ref() == Some(&new) {
        return Err(ApiError::invalid().field(
            "phone_number",
            Text::i18n(
                "این همان شمارهٔ کنونی شماست.",
                "C'est déjà votre numéro.",
                "This is your number already.",
            ),
        ));
    }
    let old = user.phone.as_ref().filter(|_| by != OpenedBy::Recovery);
    let binding = binding(caller.sid, &new);
    let language = user.language;
    if let Some(old) = old {
        own_codes::send_code(&state, &origin, PHONE_CHANGE, old, &binding, language).await?;
    }
    let sent = own_codes::send_code(&state, &origin, PHONE_CHANGE, &new, &binding, language);
    let ttl = sent.await?.lifetime_seconds;
    let change = PhoneChange {
        id: Uuid::now_v7(),
        user_id: user.id,
        session_id: caller.sid,
        old_phone: old.map(|old| old.e164().to_owned()),
        new_phone: new.e164().to_owned(),
        created_at: now,
        expires_at: now + TimeDelta::seconds(ttl),
    };
    let mut conn = state.stack.db.get().await?;
    store::insert_change(&mut conn, &change).await?;
    Ok(HttpResponse::Ok().json(PhoneChangeRequested {
        ttl,
        old_code_needed: old.is_some(),
    }))
}

/// Changes the phone when both codes are right. The other sessions end, the old number is told, payouts wait a day.
#[utoipa::path(post, path = "/api/auth/phone-change/confirm/", tag = "phone change", operation_id = "confirm_phone_change",
    request_body = PhoneChangeConfirm, responses((status = 200, body = PhoneChanged), (status = 400), (status = 409), (status = 429)))]
pub async fn confirm_phone_change(
    state: web::Data<AppState>,
    caller: SensitiveCaller,
    origin: Origin,
    body: Json<PhoneChangeConfirm>,
) -> Result<HttpResponse, ApiError> {
    let body = body.into_inner();
    limits::trying(&state, origin.ip).await?;
    let mut conn = state.stack.db.get().await?;
    let waiting = store::find_waiting(&mut conn, caller.sub, caller.sid, state.now()).await?;
    drop(conn);
    let change = waiting.ok_or_else(|| own_codes::code_refused(Verdict::Unknown))?;
    let mut errors = Errors::new();
    let code = errors.required("code", body.code, 50);
    let old_code = match &change.old_phone {
        Some(_) => errors.required("old_code", body.old_code, 50),
        None => String::new(),
    };
    errors.into_result()?;
    let new = stored(&change.new_phone)?;
    let binding = binding(caller.sid, &new);
    let mut proofs = Vec::with_capacity(2);
    if let Some(old) = &change.old_phone {
        let old = stored(old)?;
        let id = judge(&state, &origin, &old, &binding, &old_code, "old_code").await?;
        proofs.push((id, old));
    }
    let id = judge(&state, &origin, &new, &binding, &code, "code").await?;
    proofs.push((id, new.clone()));
    let ended = apply(&state, &caller, &origin, &change, &proofs).await?;
    revocation::announce(&state, &ended);
    state.stack.outbox.wake();
    Ok(HttpResponse::Ok().json(PhoneChanged {
        phone_number: new.e164().to_owned(),
    }))
}

async fn apply(
    state: &AppState,
    caller: &SensitiveCaller,
    origin: &Origin,
    change: &PhoneChange,
    proofs: &[(Uuid, PhoneNumber)],
) -> Result<Vec<Revocation>, ApiError> {
    let now = state.now();
    state
        .stack
        .db
        .transaction(
            async |conn: &mut AsyncPgConnection| -> Result<Vec<Revocation>, ApiError> {
                if !store::complete(conn, change.id, now).await? {
                    return Err(own_codes::code_refused(Verdict::Unknown));
                }
                for (id, phone) in proofs {
                    if !code::consume(conn, *id, phone, now).await? {
                        return Err(own_codes::code_refused(Verdict::Unknown));
                    }
                }
                let before = users::lock_user(conn, caller.sub).await?;
                let before = before.ok_or_else(ApiError::token_invalid)?;
                match store::update_phone(conn, before.id, &change.new_phone, now).await {
                    Ok(true) => {}
                    Ok(false) => return Err(taken()),
                    Err(QueryError::DatabaseError(DatabaseErrorKind::UniqueViolation, _)) => {
                        return Err(taken());
                    }
                    Err(error) => return Err(error.into()),
                }
                let after = users::find_user(conn, before.id).await?;
                let after = after.ok_or_else(ApiError::token_invalid)?;
                user_service::tell(conn, &after, now).await?;
                prove_phone(conn, caller.sid, &change.new_phone).await?;
                second_factor::store::end_challenges(conn, after.id, now).await?;
                alert::insert(conn, &before, Alert::PhoneChanged, now).await?;
                let entry = AuditEntry::new(after.id, ActorKind::User, "auth.phone_changed", now)
                    .subject("user", after.id)
                    .origin(Some(origin.ip), service_telemetry::current_request_id());
                service_audit::record(conn, entry).await?;
                let (keep, why) = (Some(caller.sid), "phone_changed");
                Ok(revocation::end_sessions_of(conn, state, after.id, keep, why, now).await?)
            },
        )
        .await
}

/// As [`own_codes::judge_code`]; the refusal says which code it was.
async fn judge(
    state: &AppState,
    origin: &Origin,
    phone: &PhoneNumber,
    binding: &str,
    typed: &str,
    field: &'static str,
) -> Result<Uuid, ApiError> {
    own_codes::judge_code(state, origin, PHONE_CHANGE, phone, binding, typed)
        .await
        .map_err(|error| error.contract(serde_json::json!({"field": field})))
}

fn taken() -> ApiError {
    ApiError::conflict(
        "auth.phone_taken",
        Text::i18n(
            "این شماره از آنِ حساب دیگری است.",
            "Ce numéro appartient à un autre compte.",
            "This number belongs to another account.",
        ),
    )
}

/// The codes count in this session and for this number only.
fn binding(session: Uuid, new: &PhoneNumber) -> String {
    format!("session:{session}:{}", new.e164())
}

fn stored(phone: &str) -> Result<PhoneNumber, ApiError> {
    PhoneNumber::parse(phone).map_err(|error| ApiError::internal(anyhow::anyhow!("{error}")))
}

fn parse(typed: Option<&str>) -> Result<PhoneNumber, ApiError> {
    let refuse = |text: Text| ApiError::invalid().field("phone_number", text);
    match typed.map(str::trim) {
        None => Err(refuse(required())),
        Some("") => Err(refuse(not_blank())),
        Some(text) => PhoneNumber::parse(text).map_err(|error| refuse(error.to_string().into())),
    }
}
