//! `POST /api/auth/step-up/{request,verify}/`.

use actix_web::{HttpResponse, web};
use common_types::PhoneNumber;
use common_types::claims::STEP_UP_SECONDS;
use diesel_async::AsyncPgConnection;
use serde::{Deserialize, Serialize};
use serde_json::json;
use service_audit::{ActorKind, AuditEntry};
use service_http::{ApiError, Json, SensitiveCaller};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Method, method_of};
use crate::code::model::STEP_UP;
use crate::code::{self, Verdict};
use crate::login::limits;
use crate::second_factor::{self, FactorError, Proof};
use crate::session::http::no_store;
use crate::session::open::Origin;
use crate::session::prove;
use crate::state::AppState;
use crate::user::{User, store as users};
use crate::validate::Errors;
use crate::{own_codes, password};

/// What the proof is to be.
#[derive(Debug, Serialize, ToSchema)]
pub struct StepUpRequested {
    /// `totp`, `sms` (a code is on its way) or `password`.
    pub method: &'static str,
    /// The SMS code's lifetime in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl: Option<i64>,
}

/// The proof.
#[derive(Deserialize, ToSchema)]
pub struct StepUpVerify {
    /// The code; or the password of who has neither phone nor authenticator.
    pub code: Option<String>,
}

/// The session is stepped up.
#[derive(Serialize, ToSchema)]
pub struct SteppedUpResponse {
    /// An access token that opens sensitive actions.
    pub access: String,
    /// For so many seconds.
    pub expires_in: i64,
}

/// Says how the caller proves themselves, and sends the code when it goes by SMS.
#[utoipa::path(post, path = "/api/auth/step-up/request/", tag = "step-up", operation_id = "request_step_up",
    responses((status = 200, body = StepUpRequested), (status = 429)))]
pub async fn request_step_up(
    state: web::Data<AppState>,
    caller: SensitiveCaller,
    origin: Origin,
) -> Result<HttpResponse, ApiError> {
    let user = own(&state, caller.sub).await?;
    let method = method_of(&state, &user).await?;
    let ttl = match (&user.phone, method) {
        (Some(phone), Method::Sms) => {
            limits::asking(&state, origin.ip, phone.e164()).await?;
            let binding = binding(caller.sid);
            let sent =
                own_codes::send_code(&state, &origin, STEP_UP, phone, &binding, user.language);
            Some(sent.await?.lifetime_seconds)
        }
        _ => None,
    };
    Ok(HttpResponse::Ok().json(StepUpRequested {
        method: method.as_str(),
        ttl,
    }))
}

/// Takes the proof; the session and its tokens carry it for five minutes.
#[utoipa::path(post, path = "/api/auth/step-up/verify/", tag = "step-up", operation_id = "verify_step_up",
    request_body = StepUpVerify, responses((status = 200, body = SteppedUpResponse), (status = 400), (status = 429)))]
pub async fn verify_step_up(
    state: web::Data<AppState>,
    caller: SensitiveCaller,
    origin: Origin,
    body: Json<StepUpVerify>,
) -> Result<HttpResponse, ApiError> {
    let mut errors = Errors::new();
    let typed = errors.required("code", body.into_inner().code, 200);
    errors.into_result()?;
    limits::trying(&state, origin.ip).await?;
    let user = own(&state, caller.sub).await?;
    let method = method_of(&state, &user).await?;
    let proof = judge(&state, &user, method, caller.sid, &typed, &origin).await?;
    let keys = state.keys.get().await.map_err(anyhow::Error::from)?;
    let now = state.now();
    let access = state
        .stack
        .db
        .transaction(
            async |conn: &mut AsyncPgConnection| -> Result<String, ApiError> {
                match proof {
                    Judged::Factor(proof) => {
                        if !second_factor::consume(conn, user.id, proof, now).await? {
                            return Err(FactorError::Wrong.into());
                        }
                    }
                    Judged::Code(id, phone) => {
                        if !code::consume(conn, id, phone, now).await? {
                            return Err(own_codes::code_refused(Verdict::Unknown));
                        }
                    }
                    Judged::Password => {}
                }
                let entry = AuditEntry::new(user.id, ActorKind::User, "auth.stepped_up", now)
                    .subject("user", user.id)
                    .origin(Some(origin.ip), service_telemetry::current_request_id())
                    .details(json!({"by": method.as_str()}));
                service_audit::record(conn, entry).await?;
                let second = method == Method::Totp;
                let access = prove(conn, &state, &keys, caller.sid, second, now).await?;
                access.ok_or_else(ApiError::token_invalid)
            },
        )
        .await?;
    Ok(no_store().json(SteppedUpResponse {
        access,
        expires_in: STEP_UP_SECONDS,
    }))
}

#[derive(Clone, Copy)]
enum Judged<'a> {
    Factor(Proof),
    Code(Uuid, &'a PhoneNumber),
    Password,
}

async fn judge<'a>(
    state: &AppState,
    user: &'a User,
    method: Method,
    session: Uuid,
    typed: &str,
    origin: &Origin,
) -> Result<Judged<'a>, ApiError> {
    match (method, &user.phone) {
        (Method::Totp, _) => Ok(Judged::Factor(
            second_factor::judge(state, user.id, typed, true).await?,
        )),
        (Method::Sms, Some(phone)) => {
            let binding = binding(session);
            let id = own_codes::judge_code(state, origin, STEP_UP, phone, &binding, typed);
            Ok(Judged::Code(id.await?, phone))
        }
        (Method::Sms, None) => Err(ApiError::permission_denied()),
        (Method::Password, _) => {
            if password::is_right(state, user, typed, origin).await? {
                Ok(Judged::Password)
            } else {
                Err(password::wrong())
            }
        }
    }
}

/// A code of another session proves nothing here.
fn binding(session: Uuid) -> String {
    format!("session:{session}")
}

async fn own(state: &AppState, id: Uuid) -> Result<User, ApiError> {
    let mut conn = state.stack.db.get().await?;
    users::find_user(&mut conn, id)
        .await?
        .ok_or_else(ApiError::token_invalid)
}
