//! Handlers of the SOAPify lookups.

use std::net::IpAddr;

use actix_web::{HttpResponse, web::Data};
use common_types::{
    Language, PhoneNumber,
    internal::{
        auth::UserInfo,
        chat::{SoapifySummary, SoapifyUser},
    },
};
use service_audit::{ActorKind, AuditEntry};
use service_http::{ApiError, ClientIp, MachineCaller, Path};
use uuid::Uuid;

use crate::{
    AppState,
    error::ChatError,
    person::{
        Person,
        store::{self as people, NewPerson},
    },
    summary::store as summaries,
};

/// The scope that a partner's key needs.
const SCOPE: &str = "soapify.read";

fn allow(caller: &MachineCaller) -> Result<(), ApiError> {
    match caller {
        MachineCaller::Service(_) => Ok(()),
        MachineCaller::Partner(key) if key.has_scope(SCOPE) => Ok(()),
        MachineCaller::Partner(_) => Err(ApiError::permission_denied()),
    }
}

/// The person of a phone number in any spelling.
#[utoipa::path(
    get, path = "/api/users/by-phone/{phone}/", params(("phone" = String, Path)),
    responses((status = 200, description = "`{id, username, phone_number, email}`"), (status = 404, description = "Nobody"))
)]
pub(crate) async fn show_user_by_phone(
    state: Data<AppState>,
    caller: MachineCaller,
    phone: Path<String>,
    ip: ClientIp,
) -> Result<HttpResponse, ApiError> {
    allow(&caller)?;
    let phone = PhoneNumber::parse(&phone).map_err(|_| ChatError::UserNotFound)?;
    let person = find_or_fetch(&state, &phone)
        .await?
        .ok_or(ChatError::UserNotFound)?;
    audit(
        &state,
        &caller,
        ip.0,
        "soapify.user_looked_up",
        &person,
        None,
    )
    .await?;
    Ok(HttpResponse::Ok().json(SoapifyUser {
        id: person.number,
        username: if person.full_name.is_empty() {
            person.handle()
        } else {
            person.full_name
        },
        phone_number: Some(phone),
        email: String::new(),
    }))
}

/// The newest summary of a person's conversations.
#[utoipa::path(
    get, path = "/api/chat/summaries/latest/{user_id}/", params(("user_id" = i64, Path)),
    responses((status = 200, description = "`{id, content, summary_text, created_at, updated_at}`"), (status = 404, description = "None"))
)]
pub(crate) async fn show_latest_summary(
    state: Data<AppState>,
    caller: MachineCaller,
    user_id: Path<i64>,
    ip: ClientIp,
) -> Result<HttpResponse, ApiError> {
    allow(&caller)?;
    let mut conn = state.stack.db.get().await?;
    let person = people::find_by_number(&mut conn, *user_id)
        .await?
        .ok_or(ChatError::SummaryNotFound)?;
    let summary = summaries::find_latest_for_patient(&mut conn, person.id)
        .await?
        .ok_or(ChatError::SummaryNotFound)?;
    drop(conn);
    audit(
        &state,
        &caller,
        ip.0,
        "summary.read",
        &person,
        Some((summary.id, summary.organization_id)),
    )
    .await?;
    Ok(HttpResponse::Ok().json(SoapifySummary {
        id: summary.number,
        content: summary.content,
        summary_text: summary.summary_text,
        created_at: summary.created_at,
        updated_at: summary.updated_at,
    }))
}

/// The person of our copy; else as auth-otp knows them, for an event that is still on its way.
async fn find_or_fetch(state: &AppState, phone: &PhoneNumber) -> Result<Option<Person>, ApiError> {
    let mut conn = state.stack.db.get().await?;
    if let Some(person) = people::find_by_phone(&mut conn, phone.e164()).await? {
        return Ok(Some(person));
    }
    drop(conn);
    let auth_otp = state.stack.internal(&state.stack.peers.auth_otp);
    let path = format!(
        "/internal/users/by-phone/{}",
        phone.e164().replace('+', "%2B")
    );
    let info: UserInfo = match auth_otp.get_json(&path).await {
        Ok(info) => info,
        Err(error) if error.status() == Some(404) => return Ok(None),
        Err(error) => {
            return Err(ApiError::unavailable(
                "chat.people_unavailable",
                "People cannot be looked up at the moment.",
            )
            .retry_after(2)
            .caused_by(anyhow::Error::new(error)));
        }
    };
    let id = info.id;
    let mut conn = state.stack.db.get().await?;
    people::upsert_person(&mut conn, known_by(info, state.stack.clock.now())).await?;
    Ok(people::find_person(&mut conn, id).await?)
}

fn known_by(info: UserInfo, now: chrono::DateTime<chrono::Utc>) -> NewPerson {
    let language: Language = info.language;
    NewPerson {
        id: info.id,
        number: info.number,
        phone: info.phone.map(|phone| phone.e164().to_owned()),
        username: None,
        full_name: info.full_name,
        language: language.as_str().to_owned(),
        is_active: true,
        organization_ids: info.organization_id.into_iter().collect(),
        clinic_organization_ids: Vec::new(),
        version: 0,
        updated_at: now,
    }
}

async fn audit(
    state: &AppState,
    caller: &MachineCaller,
    ip: IpAddr,
    action: &'static str,
    person: &Person,
    summary: Option<(Uuid, Option<Uuid>)>,
) -> Result<(), ApiError> {
    let kind = match caller {
        MachineCaller::Service(_) => ActorKind::Service,
        MachineCaller::Partner(_) => ActorKind::Partner,
    };
    let mut entry = AuditEntry::new(caller.name(), kind, action, state.stack.clock.now())
        .subject("user", person.id)
        .origin(Some(ip), service_telemetry::current_request_id());
    if let Some((summary, organization)) = summary {
        entry = entry
            .organization(organization)
            .details(serde_json::json!({ "summary_id": summary }));
    }
    let mut conn = state.stack.db.get().await?;
    service_audit::record(&mut conn, entry).await?;
    Ok(())
}
