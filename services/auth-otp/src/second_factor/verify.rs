//! `POST /api/auth/second-factor/verify/`: the second half of a login.

use actix_web::{HttpResponse, web};
use diesel_async::AsyncPgConnection;
use serde_json::json;
use service_audit::{ActorKind, AuditEntry, Outcome};
use service_http::{ApiError, Json};

use super::dto::{VerifyRequest, VerifyResponse};
use super::error::FactorError;
use super::{challenge_hash, consume, judge, store};
use crate::login::{Entry, limits, open};
use crate::session::carrier::{Browser, seconds_left};
use crate::session::http::no_store;
use crate::session::open::Origin;
use crate::session::{Carrier, Opened, OpenedBy, SessionKind};
use crate::state::AppState;
use crate::user::dto::BriefUser;
use crate::user::{User, store as users};
use crate::validate::Errors;

/// Finishes a login with an authenticator's code or a recovery code; opens the session that the first factor asked for.
#[utoipa::path(post, path = "/api/auth/second-factor/verify/", tag = "second factor", operation_id = "verify_second_factor",
    request_body = VerifyRequest, responses((status = 200, body = VerifyResponse), (status = 400, description = "`auth.second_factor_wrong`"),
        (status = 401, description = "`auth.challenge_ended`: begin again"), (status = 429)))]
pub async fn verify_second_factor(
    state: web::Data<AppState>,
    origin: Origin,
    browser: Browser,
    body: Json<VerifyRequest>,
) -> Result<HttpResponse, ApiError> {
    let body = body.into_inner();
    let mut errors = Errors::new();
    let token = errors.required("challenge", body.challenge, 100);
    let code = errors.required("code", body.code, 50);
    errors.into_result()?;
    limits::trying(&state, origin.ip).await?;
    let mut conn = state.stack.db.get().await?;
    let challenge = store::find_challenge(&mut conn, &challenge_hash(&token), state.now()).await?;
    drop(conn);
    let challenge = challenge.ok_or(FactorError::NoChallenge)?;
    let carrier = Carrier::of(&challenge.carrier);
    browser.check(carrier)?;
    let proof = match judge(&state, challenge.user_id, &code, true).await {
        Ok(proof) => proof,
        Err(error) => {
            refused(&state, challenge.user_id, &origin).await?;
            return Err(error.into());
        }
    };
    let keys = state.keys.get().await.map_err(anyhow::Error::from)?;
    let now = state.now();
    let kind = SessionKind::of(&challenge.kind);
    let (user, opened) = state
        .stack
        .db
        .transaction(
            async |conn: &mut AsyncPgConnection| -> Result<(User, Opened), FactorError> {
                if !store::use_challenge(conn, challenge.id, now).await? {
                    return Err(FactorError::NoChallenge);
                }
                if !consume(conn, challenge.user_id, proof, now).await? {
                    return Err(FactorError::Wrong);
                }
                let user = users::find_user(conn, challenge.user_id).await?;
                let user = user
                    .filter(|user| user.is_active)
                    .ok_or(FactorError::NoChallenge)?;
                let entry = Entry {
                    user: &user,
                    kind,
                    carrier,
                    group: challenge.group_number,
                    organization: challenge.organization_id,
                    verified_phone: challenge.verified_phone.as_deref(),
                    opened_by: OpenedBy::of(&challenge.opened_by),
                    origin: &origin,
                    known: None,
                    details: json!({"by": challenge.opened_by, "second_factor": true}),
                };
                let opened = open(conn, &state, &keys, &entry, true, now).await?;
                Ok((user, opened))
            },
        )
        .await?;
    state.stack.outbox.wake();
    let (refresh, cookie) = carrier.part(opened.refresh, seconds_left(now, opened.expires_at));
    let mut response = no_store();
    if let Some(cookie) = cookie {
        response.cookie(cookie);
    }
    Ok(response.json(VerifyResponse {
        access: opened.access,
        refresh,
        user: BriefUser::from(&user),
    }))
}

/// Each refusal leaves a row that the owner sees.
async fn refused(state: &AppState, user: uuid::Uuid, origin: &Origin) -> Result<(), ApiError> {
    let entry = AuditEntry::new("", ActorKind::Anonymous, "auth.logged_in", state.now())
        .subject("user", user)
        .outcome(Outcome::Denied)
        .origin(Some(origin.ip), service_telemetry::current_request_id())
        .details(json!({"by": "second_factor"}));
    let mut conn = state.stack.db.get().await?;
    service_audit::record(&mut conn, entry).await?;
    Ok(())
}
