//! Login: limits first, then one argon2 verification whatever the key, then the session.

use actix_web::HttpRequest;
use chrono::{DateTime, TimeDelta, Utc};
use common_types::PortalClaims;
use service_auth::tokens::{ct_eq, hmac_sha256, random_alphanumeric};
use uuid::Uuid;

use super::{
    SessionError,
    lockout::{self, Gate, Source},
    store::{self, NewSession},
};
use crate::{
    access::{self, AccessKey, AccessRow, Password},
    patient::{self, PatientRow},
    report::{self, ReportRow},
    state::AppState,
    web::{Act, Who},
};

/// Cookie that lets a device keep its own login budget for one key.
pub(crate) const DEVICE_COOKIE: &str = "tabib_device";

/// What a login gives.
pub(crate) struct LoggedIn {
    pub(crate) patient: PatientRow,
    pub(crate) access: AccessRow,
    pub(crate) last_access: Option<DateTime<Utc>>,
    pub(crate) reports: Vec<ReportRow>,
    pub(crate) token: String,
    pub(crate) expires_at: DateTime<Utc>,
    pub(crate) device: String,
}

fn device_mac(state: &AppState, lookup: &[u8; 32], nonce: &str) -> String {
    let secret = state.settings.keys.lookup_secret.expose().as_bytes();
    hex::encode(hmac_sha256(
        secret,
        &[b"portal.device", lookup, nonce.as_bytes()],
    ))
}

fn new_device(state: &AppState, lookup: &[u8; 32]) -> String {
    let nonce = random_alphanumeric(22);
    format!("{nonce}.{}", device_mac(state, lookup, &nonce))
}

/// The nonce of a cookie that belongs to this key.
fn known_device(state: &AppState, request: &HttpRequest, lookup: &[u8; 32]) -> Option<String> {
    let cookie = service_http::extract::cookie(request, DEVICE_COOKIE)?;
    let (nonce, mac) = cookie.split_once('.')?;
    let right = device_mac(state, lookup, nonce);
    (nonce.len() == 22 && ct_eq(right.as_bytes(), mac.as_bytes())).then(|| nonce.to_owned())
}

/// # Errors
/// [`SessionError::WrongKeys`], [`SessionError::Disabled`], [`SessionError::Locked`].
pub(crate) async fn login(
    state: &AppState,
    request: &HttpRequest,
    key: &AccessKey,
    password: &Password,
) -> Result<LoggedIn, SessionError> {
    let now = state.now();
    let lookup = key.lookup(state.settings.keys.lookup_secret.expose().as_bytes());
    let who = Who::anonymous(request);
    let source = Source {
        ip: who.ip(),
        device: known_device(state, request, &lookup),
    };
    let (limits, per_address) = (
        &state.settings.portal,
        state.settings.login_attempts_per_ip(),
    );
    let gate = state
        .db
        .transaction(async |conn| {
            Ok::<_, SessionError>(
                lockout::begin(conn, limits, per_address, &lookup, &source, now).await?,
            )
        })
        .await?;
    let attempt = match gate {
        Gate::Open(attempt) => attempt,
        Gate::Locked(seconds) => {
            metrics::counter!("portal_logins_total", "outcome" => "locked").increment(1);
            return Err(SessionError::Locked(seconds));
        }
    };
    let found = {
        let mut conn = state.db.get().await?;
        access::find_access_by_lookup(&mut conn, &lookup).await?
    };
    let right = match &found {
        Some(row) => state
            .hasher
            .verify(password.expose(), &row.password_hash)
            .await
            .map_err(anyhow::Error::new)?,
        None => {
            state.hasher.dummy_verify(password.expose()).await;
            false
        }
    };
    match found {
        Some(row) if right && row.is_active => {
            metrics::counter!("portal_logins_total", "outcome" => "success").increment(1);
            enter(state, &who, &source, attempt, &lookup, row, now).await
        }
        found => {
            let disabled = right && found.is_some();
            let outcome = if disabled { "disabled" } else { "wrong" };
            metrics::counter!("portal_logins_total", "outcome" => outcome).increment(1);
            refuse(state, &who, &lookup, found.as_ref(), disabled, now).await?;
            Err(if disabled {
                SessionError::Disabled
            } else {
                SessionError::WrongKeys
            })
        }
    }
}

/// The same writes for a wrong password and for a key that does not exist.
async fn refuse(
    state: &AppState,
    who: &Who,
    lookup: &[u8; 32],
    found: Option<&AccessRow>,
    disabled: bool,
    now: DateTime<Utc>,
) -> Result<(), SessionError> {
    let subjects: Vec<Uuid> = found.map(|row| row.patient_id).into_iter().collect();
    let reason = if disabled { "disabled" } else { "wrong_keys" };
    state
        .db
        .transaction(async |conn| {
            if !disabled {
                access::count_failure(conn, lookup).await?;
            }
            let act = Act::on("portal.login", "patient", &subjects)
                .with(serde_json::json!({ "reason": reason }))
                .denied();
            who.record(conn, act, now).await?;
            Ok::<_, SessionError>(())
        })
        .await
}

async fn enter(
    state: &AppState,
    who: &Who,
    source: &Source,
    attempt: Uuid,
    lookup: &[u8; 32],
    row: AccessRow,
    now: DateTime<Utc>,
) -> Result<LoggedIn, SessionError> {
    let expires_at = now + TimeDelta::hours(i64::from(state.settings.portal.absolute_hours));
    let sid = Uuid::now_v7();
    let who = who
        .clone()
        .become_patient(row.patient_id, row.organization_id);
    let (patient, access, reports) = state
        .db
        .transaction(async |conn| {
            lockout::succeed(conn, attempt, lookup, source).await?;
            let patient = patient::find_patient(conn, row.organization_id, row.patient_id)
                .await?
                .ok_or(SessionError::WrongKeys)?;
            let access = access::record_access(conn, row.id, now).await?;
            let (ip, agent) = (who.ip(), who.user_agent().to_owned());
            let session = NewSession {
                id: sid,
                organization_id: row.organization_id,
                patient_id: row.patient_id,
                access_id: row.id,
                created_at: now,
                last_seen_at: now,
                expires_at,
                ip: &ip,
                user_agent: &agent,
            };
            store::insert_session(conn, &session).await?;
            let reports =
                report::list_for_patient(conn, row.organization_id, row.patient_id, now).await?;
            who.record(
                conn,
                Act::on("portal.login", "patient", &[row.patient_id]),
                now,
            )
            .await?;
            Ok::<_, SessionError>((patient, access, reports))
        })
        .await?;
    let claims = PortalClaims {
        iss: state.settings.auth.portal_issuer.clone(),
        aud: common_types::claims::PORTAL_AUDIENCE.into(),
        sub: row.patient_id,
        exp: expires_at.timestamp(),
        iat: now.timestamp(),
        nbf: now.timestamp(),
        jti: Uuid::now_v7(),
        sid,
        token_type: "portal".into(),
        org: row.organization_id,
        access_id: row.id,
    };
    let keys = state.keys.get().await?;
    let token = keys
        .signer()
        .sign_portal(&claims)
        .map_err(anyhow::Error::new)?;
    Ok(LoggedIn {
        patient,
        access,
        last_access: row.last_access,
        reports,
        token,
        expires_at,
        device: new_device(state, lookup),
    })
}
