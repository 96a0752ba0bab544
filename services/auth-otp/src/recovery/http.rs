//! `POST /api/auth/recovery/codes/` and `POST /api/auth/recovery/`.

use actix_web::{HttpResponse, web};
use chrono::{DateTime, TimeDelta, Utc};
use common_types::internal::auth::Revocation;
use diesel_async::AsyncPgConnection;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use service_audit::{ActorKind, AuditEntry, Outcome};
use service_http::text::required;
use service_http::{Allowed, ApiError, ClientIp, ClinicAdmin, Json, SteppedUp, Text};
use utoipa::ToSchema;
use uuid::Uuid;

use super::store::{self, NewRecovery, Person};
use super::{hash, new_code};
use crate::alert::{self, Alert};
use crate::login::{Entry, limits, open};
use crate::second_factor;
use crate::second_factor::dto::VerifyResponse;
use crate::session::http::no_store;
use crate::session::open::Origin;
use crate::session::{Carrier, Opened, OpenedBy, SessionKind, revocation};
use crate::state::AppState;
use crate::user::dto::BriefUser;
use crate::user::{User, store as users};
use crate::validate::Errors;

/// For whom, and why.
#[derive(Debug, Deserialize, ToSchema)]
pub struct CreateRecovery {
    /// The person's number or id.
    #[schema(value_type = String)]
    pub user: Option<Value>,
    /// Why; at most 500 characters, kept with the code.
    pub reason: Option<String>,
}

/// The code, shown this once.
#[derive(Serialize, ToSchema)]
pub struct RecoveryMade {
    /// Twenty characters in groups of five.
    pub code: String,
    /// Until when it counts.
    pub expires_at: DateTime<Utc>,
}

/// The code.
#[derive(Deserialize, ToSchema)]
pub struct UseRecovery {
    /// As the admin gave it; case, spaces and dashes do not count.
    pub code: Option<String>,
}

/// Makes a recovery code for somebody who belongs to the caller's clinic alone; a superuser for anybody else.
#[utoipa::path(post, path = "/api/auth/recovery/codes/", tag = "recovery", operation_id = "create_recovery",
    request_body = CreateRecovery, responses((status = 201, body = RecoveryMade), (status = 400),
        (status = 403, description = "`auth.step_up_required`, or no admin"), (status = 404)))]
pub async fn create_recovery(
    state: web::Data<AppState>,
    admin: Allowed<ClinicAdmin>,
    _fresh: SteppedUp,
    ClientIp(ip): ClientIp,
    body: Json<CreateRecovery>,
) -> Result<HttpResponse, ApiError> {
    let body = body.into_inner();
    let mut errors = Errors::new();
    let person = person(body.user.as_ref(), &mut errors);
    let reason = errors.required("reason", body.reason, 500);
    errors.into_result()?;
    let organization = if admin.superuser { None } else { admin.org };
    if !admin.superuser && organization.is_none() {
        return Err(ApiError::permission_denied());
    }
    let now = state.now();
    let lifetime = TimeDelta::seconds(state.settings.recovery.lifetime_seconds);
    let code = new_code();
    let code_hash = hash(&code);
    let maker = admin.sub;
    state
        .stack
        .db
        .transaction(
            async |conn: &mut AsyncPgConnection| -> Result<(), ApiError> {
                let found = match person {
                    Some(person) => store::find_recoverable(conn, person, organization).await?,
                    None => None,
                };
                let user_id = found
                    .filter(|id| *id != maker)
                    .ok_or_else(|| ApiError::no_match("auth.user_missing", "User"))?;
                let recovery = NewRecovery {
                    id: Uuid::now_v7(),
                    user_id,
                    made_by: maker,
                    organization_id: organization,
                    code_hash: code_hash.clone(),
                    reason: &reason,
                    created_at: now,
                    expires_at: now + lifetime,
                };
                store::insert_recovery(conn, &recovery).await?;
                let entry = AuditEntry::new(maker, ActorKind::User, "auth.recovery_made", now)
                    .subject("user", user_id)
                    .organization(organization)
                    .origin(Some(ip), service_telemetry::current_request_id())
                    .details(json!({"recovery": recovery.id}));
                service_audit::record(conn, entry).await?;
                Ok(())
            },
        )
        .await?;
    Ok(HttpResponse::Created()
        .insert_header(("Cache-Control", "no-store"))
        .json(RecoveryMade {
            code,
            expires_at: now + lifetime,
        }))
}

/// Opens a session with a recovery code. Every other session ends and the second factor is gone.
#[utoipa::path(post, path = "/api/auth/recovery/", tag = "recovery", operation_id = "use_recovery",
    request_body = UseRecovery, responses((status = 200, body = VerifyResponse), (status = 400), (status = 429)))]
pub async fn use_recovery(
    state: web::Data<AppState>,
    origin: Origin,
    body: Json<UseRecovery>,
) -> Result<HttpResponse, ApiError> {
    limits::trying(&state, origin.ip).await?;
    let mut errors = Errors::new();
    let code = errors.required("code", body.into_inner().code, 100);
    errors.into_result()?;
    let code_hash = hash(&code);
    let keys = state.keys.get().await.map_err(anyhow::Error::from)?;
    let now = state.now();
    let used = state
        .stack
        .db
        .transaction(
            async |conn: &mut AsyncPgConnection| -> Result<Option<Used>, ApiError> {
                let used = store::use_recovery(conn, &code_hash, now).await?;
                let Some((recovery, user_id, made_by)) = used else {
                    return Ok(None);
                };
                let user = users::find_user(conn, user_id).await?;
                let Some(user) = user.filter(|user| user.is_active) else {
                    return Ok(None);
                };
                second_factor::store::remove(conn, user.id).await?;
                second_factor::store::end_challenges(conn, user.id, now).await?;
                let why = "recovered";
                let ended =
                    revocation::end_sessions_of(conn, &state, user.id, None, why, now).await?;
                alert::insert(conn, &user, Alert::Recovered, now).await?;
                let entry = Entry {
                    user: &user,
                    kind: SessionKind::Rotating,
                    carrier: Carrier::Body,
                    group: 0,
                    organization: None,
                    verified_phone: None,
                    opened_by: OpenedBy::Recovery,
                    origin: &origin,
                    known: None,
                    details: json!({"by": "recovery", "recovery": recovery, "made_by": made_by}),
                };
                let opened = open(conn, &state, &keys, &entry, false, now).await?;
                Ok(Some(Used {
                    user,
                    opened,
                    ended,
                }))
            },
        )
        .await?;
    let Some(used) = used else {
        refused(&state, &origin).await?;
        return Err(ApiError::bad_request(
            "auth.recovery_wrong",
            Text::i18n(
                "کد بازیابی درست نیست یا زمان آن گذشته است.",
                "Code de récupération incorrect ou expiré.",
                "The recovery code is wrong or has expired.",
            ),
        ));
    };
    revocation::announce(&state, &used.ended);
    state.stack.outbox.wake();
    Ok(no_store().json(VerifyResponse {
        access: used.opened.access,
        refresh: Some(used.opened.refresh),
        user: BriefUser::from(&used.user),
    }))
}

struct Used {
    user: User,
    opened: Opened,
    ended: Vec<Revocation>,
}

async fn refused(state: &AppState, origin: &Origin) -> Result<(), ApiError> {
    let entry = AuditEntry::new("", ActorKind::Anonymous, "auth.logged_in", state.now())
        .outcome(Outcome::Denied)
        .origin(Some(origin.ip), service_telemetry::current_request_id())
        .details(json!({"by": "recovery"}));
    let mut conn = state.stack.db.get().await?;
    service_audit::record(&mut conn, entry).await?;
    Ok(())
}

fn person(value: Option<&Value>, errors: &mut Errors) -> Option<Person> {
    let person = match value {
        None | Some(Value::Null) => {
            errors.add("user", required());
            return None;
        }
        Some(Value::Number(number)) => number.as_i64().map(Person::Number),
        Some(Value::String(text)) => match Uuid::parse_str(text.trim()) {
            Ok(id) => Some(Person::Id(id)),
            Err(_) => common_types::digits::to_ascii(text.trim())
                .parse()
                .ok()
                .map(Person::Number),
        },
        Some(_) => None,
    };
    if person.is_none() {
        errors.add("user", service_http::text::not_an_integer());
    }
    person
}
