//! The doctor enters the code: one grant, or one attempt less.

use chrono::TimeDelta;
use common_types::{
    AccessClaims, PhoneNumber,
    events::patient_access::Denied,
    internal::auth::{CodeOutcome, CodeTooSoon, VerifyCodeRequest, VerifyCodeResponse},
};
use diesel_async::AsyncPgConnection;
use serde_json::json;
use service_audit::{ActorKind, AuditEntry, Outcome};
use service_auth::{InternalError, tokens};
use service_events::outbox;
use uuid::Uuid;

use super::{
    AccessRequestError, AccessVerified, VerifyAccessRequest,
    model::{self, Status},
    request::binding,
    store::{self, RequestRow},
};
use crate::{
    AppState,
    grant::{self, NewGrant, Origin},
};

/// Letters and digits of an access token; 381 bits.
const TOKEN_LENGTH: usize = 64;
/// A request whose code was never confirmed as sent is closed after this.
const UNSENT_AFTER: TimeDelta = TimeDelta::minutes(10);

/// Checks the code with auth-otp and makes the grant.
///
/// auth-otp spends a code for exactly one caller, so parallel verifies make one grant; the
/// constraint on `grants.request_id` holds it here too.
///
/// # Errors
/// See [`AccessRequestError`].
pub(crate) async fn verify(
    state: &AppState,
    doctor: &AccessClaims,
    organization: Uuid,
    body: &VerifyAccessRequest,
    origin: Origin,
) -> Result<AccessVerified, AccessRequestError> {
    let id = model::text_of(body.request_id.as_ref());
    let code = model::code_of(body.otp_code.as_ref());
    let (Some(id), Some(code)) = (id, code) else {
        return Err(AccessRequestError::CodeMissing);
    };
    let id = Uuid::parse_str(&id).map_err(|_| AccessRequestError::Unknown)?;
    let row = pending(state, id, doctor.sub, organization).await?;
    let answer = ask(state, &row, code).await?;
    match answer.outcome {
        CodeOutcome::Verified => grant(state, &row, &origin).await,
        CodeOutcome::Wrong | CodeOutcome::Burned => {
            let told = state
                .stack
                .db
                .transaction(async |conn| refuse(state, conn, row.id, &origin).await)
                .await?;
            state.stack.outbox.wake();
            Err(told)
        }
        CodeOutcome::Expired => {
            let told = state
                .stack
                .db
                .transaction(async |conn| expire(state, conn, row.id, &origin).await)
                .await?;
            state.stack.outbox.wake();
            Err(told)
        }
        CodeOutcome::Unknown => Err(AccessRequestError::Unknown),
    }
}

async fn pending(
    state: &AppState,
    id: Uuid,
    doctor: Uuid,
    organization: Uuid,
) -> Result<RequestRow, AccessRequestError> {
    let mut conn = state.stack.db.get().await?;
    store::find_for_doctor(&mut conn, id, doctor, organization)
        .await?
        .filter(|row| row.status == Status::Pending.as_str() && row.challenge_id.is_some())
        .ok_or(AccessRequestError::Unknown)
}

async fn ask(
    state: &AppState,
    row: &RequestRow,
    code: String,
) -> Result<VerifyCodeResponse, AccessRequestError> {
    let challenge = row.challenge_id.ok_or(AccessRequestError::Unknown)?;
    let phone = PhoneNumber::parse(&row.patient_phone)
        .map_err(|error| AccessRequestError::Unexpected(error.into()))?;
    let request = VerifyCodeRequest {
        phone,
        binding: binding(row),
        code,
    };
    match state
        .auth_otp
        .post_json(&format!("/internal/codes/{challenge}/verify/"), &request)
        .await
    {
        Ok(answer) => Ok(answer),
        Err(InternalError::Status { status: 404, .. }) => Err(AccessRequestError::Unknown),
        // The phone rests after too many wrong codes of whatever purpose.
        Err(InternalError::Status { status: 429, body }) => {
            let wait =
                serde_json::from_str::<CodeTooSoon>(&body).map_or(60, |told| told.retry_after);
            Err(AccessRequestError::Budget {
                retry_after: u64::try_from(wait).unwrap_or(1),
            })
        }
        Err(error) => Err(AccessRequestError::Unexpected(error.into())),
    }
}

async fn grant(
    state: &AppState,
    row: &RequestRow,
    origin: &Origin,
) -> Result<AccessVerified, AccessRequestError> {
    let token = tokens::random_alphanumeric(TOKEN_LENGTH);
    let made = state
        .stack
        .db
        .transaction(async |conn| {
            let locked = store::lock_request(conn, row.id).await?;
            if locked.status != Status::Pending.as_str() {
                return Err(AccessRequestError::Unknown);
            }
            let now = state.database_time(conn).await?;
            store::update_state(conn, row.id, Status::Verified, locked.attempts, now).await?;
            let grant = NewGrant {
                request_id: row.id,
                organization_id: row.organization_id,
                doctor_id: row.doctor_id,
                doctor_name: &row.doctor_name,
                patient_phone: &row.patient_phone,
                phone_as_given: &row.phone_as_given,
                patient_user_id: row.patient_user_id,
                token: &token,
            };
            Ok(grant::open(state, conn, grant, origin, now).await?)
        })
        .await?;
    state.stack.outbox.wake();
    metrics::counter!("patient_access_grants_total").increment(1);
    Ok(AccessVerified {
        success: true,
        message: "دسترسی با موفقیت تایید شد",
        access_token: token,
        expires_at: made.expires_at,
        grant_id: made.id,
    })
}

/// Counts a wrong code and tells what is left.
async fn refuse(
    state: &AppState,
    conn: &mut AsyncPgConnection,
    id: Uuid,
    origin: &Origin,
) -> Result<AccessRequestError, AccessRequestError> {
    let row = store::lock_request(conn, id).await?;
    if row.status != Status::Pending.as_str() {
        return Ok(AccessRequestError::Unknown);
    }
    let now = state.database_time(conn).await?;
    let attempts = row.attempts + 1;
    let status = model::status_after_wrong(attempts);
    let version = store::update_state(conn, id, status, attempts, now).await?;
    let entry = AuditEntry::new(
        row.doctor_id,
        ActorKind::User,
        "patient_access.code_refused",
        now,
    )
    .subject("access_request", id)
    .organization(Some(row.organization_id))
    .outcome(Outcome::Denied)
    .origin(origin.ip, origin.request_id.clone())
    .details(json!({"attempts": attempts, "status": status.as_str()}));
    service_audit::record(conn, entry).await?;
    if status == Status::Rejected {
        emit_denied(state, conn, &row, version, "wrong_code").await?;
    }
    Ok(AccessRequestError::Wrong {
        attempts_left: model::attempts_left(attempts),
        status,
    })
}

async fn expire(
    state: &AppState,
    conn: &mut AsyncPgConnection,
    id: Uuid,
    origin: &Origin,
) -> Result<AccessRequestError, AccessRequestError> {
    let row = store::lock_request(conn, id).await?;
    if row.status != Status::Pending.as_str() {
        return Ok(AccessRequestError::Unknown);
    }
    close_expired(state, conn, &row, Some(origin)).await?;
    Ok(AccessRequestError::Wrong {
        attempts_left: model::attempts_left(row.attempts),
        status: Status::Expired,
    })
}

async fn close_expired(
    state: &AppState,
    conn: &mut AsyncPgConnection,
    row: &RequestRow,
    origin: Option<&Origin>,
) -> Result<(), AccessRequestError> {
    let now = state.database_time(conn).await?;
    let version = store::update_state(conn, row.id, Status::Expired, row.attempts, now).await?;
    let (actor, kind) = match origin {
        Some(_) => (row.doctor_id.to_string(), ActorKind::User),
        None => ("patient-access".to_owned(), ActorKind::System),
    };
    let entry = AuditEntry::new(actor, kind, "patient_access.code_expired", now)
        .subject("access_request", row.id)
        .organization(Some(row.organization_id))
        .outcome(Outcome::Denied)
        .origin(
            origin.and_then(|origin| origin.ip),
            origin.and_then(|origin| origin.request_id.clone()),
        );
    service_audit::record(conn, entry).await?;
    emit_denied(state, conn, row, version, "expired").await
}

async fn emit_denied(
    state: &AppState,
    conn: &mut AsyncPgConnection,
    row: &RequestRow,
    version: i64,
    reason: &str,
) -> Result<(), AccessRequestError> {
    let now = state.stack.clock.now();
    let event = Denied {
        request_id: row.id,
        aggregate_version: version,
        organization_id: Some(row.organization_id),
        doctor_id: row.doctor_id,
        patient_user_id: row.patient_user_id,
        reason: reason.to_owned(),
        denied_at: now,
    };
    outbox::emit(conn, state.stack.service, &event, now).await?;
    Ok(())
}

/// Closes requests whose code is dead; a job of the worker.
///
/// # Errors
/// When the database does not answer.
pub(crate) async fn expire_overdue(state: &AppState) -> anyhow::Result<()> {
    loop {
        let closed = state
            .stack
            .db
            .transaction(async |conn| {
                let now = state.database_time(conn).await?;
                let rows = store::lock_overdue(conn, now, UNSENT_AFTER).await?;
                for row in &rows {
                    close_expired(state, conn, row, None).await?;
                }
                Ok::<_, AccessRequestError>(rows.len())
            })
            .await?;
        if closed == 0 {
            return Ok(());
        }
        state.stack.outbox.wake();
    }
}
