//! `/api/integrations/sms/settings/` and `/api/integrations/sms/opt-outs/`.

use actix_web::{HttpRequest, HttpResponse, web};
use chrono::NaiveTime;
use common_types::PhoneNumber;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use serde::Deserialize;
use serde_json::{Value, json};
use service_audit::{ActorKind, AuditEntry, record};
use service_db::DbError;
use service_http::{
    Allowed, ApiError, ClientIp, ClinicAdmin, Json, PageQuery, Path, Query, Superuser, paginate,
    text,
};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    opt_out,
    organization::{self, SettingsRow},
    sms_http::SendSms,
};
use crate::{AppState, schema::sms_opt_outs};

fn organization_of(org: Option<Uuid>) -> Result<Uuid, ApiError> {
    org.ok_or_else(|| ApiError::forbidden("sms.no_organization", "Choose an organisation."))
}

async fn shown(state: &AppState, organization_id: Uuid) -> Result<Value, ApiError> {
    let mut conn = state.stack.db.get().await.map_err(ApiError::internal)?;
    let own = organization::find_settings(&mut conn, organization_id)
        .await
        .map_err(ApiError::internal)?;
    let rules = organization::rules(&mut conn, state, Some(organization_id))
        .await
        .map_err(ApiError::internal)?;
    let (messages, segments, limited) =
        organization::usage(&mut conn, organization_id, state.now())
            .await
            .map_err(ApiError::internal)?;
    let time = |time: NaiveTime| time.format("%H:%M").to_string();
    let zone = own.as_ref().map_or_else(
        || state.settings.messages.time_zone.clone(),
        |row| row.time_zone.clone(),
    );
    Ok(json!({
        "time_zone": zone,
        "quiet_from": rules.quiet.map(|quiet| time(quiet.from)),
        "quiet_until": rules.quiet.map(|quiet| time(quiet.until)),
        "monthly_segments": rules.monthly_segments,
        "own": own.is_some(),
        "this_month": {"messages": messages, "segments": segments, "limited_segments": limited},
    }))
}

/// What counts for the caller's organisation, and what it sent this month.
#[utoipa::path(get, path = "/api/integrations/sms/settings/", tag = "sms",
    responses((status = 200), (status = 401), (status = 403)))]
pub(crate) async fn get_settings(
    caller: Allowed<ClinicAdmin>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let organization_id = organization_of(caller.org)?;
    Ok(HttpResponse::Ok().json(shown(&state, organization_id).await?))
}

/// Body of `PUT sms/settings/`.
#[derive(Deserialize, ToSchema)]
pub(crate) struct SettingsRequest {
    /// Name of the IANA database, such as `Asia/Tehran` or `Africa/Dakar`.
    time_zone: String,
    /// `22:00`; both or none.
    #[serde(default)]
    quiet_from: Option<String>,
    #[serde(default)]
    quiet_until: Option<String>,
    /// Null: the platform's own limit.
    #[serde(default)]
    monthly_segments: Option<i64>,
}

fn time(field: &str, given: Option<&str>) -> Result<Option<NaiveTime>, ApiError> {
    given
        .map(|given| {
            NaiveTime::parse_from_str(given.trim(), "%H:%M")
                .map_err(|_| ApiError::invalid().field(field, "A time such as 22:00 is expected."))
        })
        .transpose()
}

/// Sets the organisation's quiet hours, time zone and monthly limit. A limit above the platform's is the superuser's to give.
#[utoipa::path(put, path = "/api/integrations/sms/settings/", tag = "sms", request_body = SettingsRequest,
    responses((status = 200), (status = 400), (status = 401), (status = 403)))]
pub(crate) async fn put_settings(
    caller: Allowed<ClinicAdmin>,
    ip: ClientIp,
    body: Json<SettingsRequest>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let body = body.into_inner();
    let organization_id = organization_of(caller.org)?;
    if body.time_zone.parse::<chrono_tz::Tz>().is_err() {
        return Err(ApiError::invalid().field("time_zone", text::not_a_choice(&body.time_zone)));
    }
    let from = time("quiet_from", body.quiet_from.as_deref())?;
    let until = time("quiet_until", body.quiet_until.as_deref())?;
    if from.is_some() != until.is_some() || (from.is_some() && from == until) {
        let words = "Give both ends of the quiet hours, and different ones, or none.";
        return Err(ApiError::invalid().field("quiet_until", words));
    }
    let platform = state.settings.messages.organization_month_segments;
    match body.monthly_segments {
        Some(limit) if limit < 0 => {
            return Err(ApiError::invalid().field("monthly_segments", text::invalid_value()));
        }
        Some(limit) if platform > 0 && limit > platform && !caller.superuser => {
            let words = format!("At most {platform}: the platform's own limit.");
            return Err(ApiError::invalid().field("monthly_segments", words));
        }
        _ => {}
    }
    let now = state.now();
    let row = SettingsRow {
        organization_id,
        time_zone: body.time_zone,
        quiet_from: from,
        quiet_until: until,
        monthly_segments: body.monthly_segments,
        updated_at: now,
    };
    let audit = AuditEntry::new(
        caller.sub,
        ActorKind::User,
        "integrations.sms_settings_changed",
        now,
    )
    .subject("organization", organization_id)
    .organization(caller.org)
    .origin(Some(ip.0), None);
    state
        .stack
        .db
        .transaction(async |conn| {
            record(conn, audit.clone()).await?;
            organization::upsert_settings(conn, &row).await?;
            Ok::<_, DbError>(())
        })
        .await
        .map_err(ApiError::internal)?;
    Ok(HttpResponse::Ok().json(shown(&state, organization_id).await?))
}

/// Body of `POST sms/opt-outs/`.
#[derive(Deserialize, ToSchema)]
pub(crate) struct OptOutRequest {
    phone: String,
}

/// Puts a number on the list at its owner's wish. Staff may only add: taking off is the receiver's own START, or an operator's.
#[utoipa::path(post, path = "/api/integrations/sms/opt-outs/", tag = "sms", request_body = OptOutRequest,
    responses((status = 201), (status = 400), (status = 401), (status = 403)))]
pub(crate) async fn add_opt_out(
    caller: Allowed<SendSms>,
    ip: ClientIp,
    body: Json<OptOutRequest>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let phone = PhoneNumber::parse(&body.0.phone)
        .map_err(|error| ApiError::invalid().field("phone", error.to_string()))?;
    let now = state.now();
    let audit = AuditEntry::new(
        caller.sub,
        ActorKind::User,
        "integrations.sms_opted_out",
        now,
    )
    .organization(caller.org)
    .origin(Some(ip.0), None);
    state
        .stack
        .db
        .transaction(async |conn| {
            record(conn, audit.clone()).await?;
            opt_out::add(conn, phone.e164(), "staff", now).await?;
            Ok::<_, DbError>(())
        })
        .await
        .map_err(ApiError::internal)?;
    Ok(HttpResponse::Created().json(json!({"phone": phone.masked()})))
}

/// Who is on the list, newest first; `search` takes a whole number.
#[utoipa::path(get, path = "/api/integrations/sms/opt-outs/", tag = "sms",
    params(("search" = Option<String>, Query), ("page" = Option<i64>, Query)),
    responses((status = 200), (status = 401), (status = 403)))]
pub(crate) async fn list_opt_outs(
    request: HttpRequest,
    _caller: Allowed<Superuser>,
    page: Query<PageQuery>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let wanted = page.search().map(|search| {
        PhoneNumber::parse(search).map_or_else(|_| String::new(), |phone| phone.e164().to_owned())
    });
    let filtered = || {
        let query = sms_opt_outs::table.into_boxed();
        match &wanted {
            Some(phone) => query.filter(sms_opt_outs::phone.eq(phone.clone())),
            None => query,
        }
    };
    let mut conn = state.stack.db.get().await.map_err(ApiError::internal)?;
    let count: i64 = filtered()
        .count()
        .get_result(&mut conn)
        .await
        .map_err(ApiError::internal)?;
    let rows: Vec<(String, String, chrono::DateTime<chrono::Utc>)> = filtered()
        .order(sms_opt_outs::opted_out_at.desc())
        .offset(page.offset())
        .limit(page.limit())
        .select((
            sms_opt_outs::phone,
            sms_opt_outs::source,
            sms_opt_outs::opted_out_at,
        ))
        .load(&mut conn)
        .await
        .map_err(ApiError::internal)?;
    let results: Vec<Value> = rows
        .into_iter()
        .map(|(phone, source, at)| {
            let masked = PhoneNumber::parse(&phone)
                .map_or_else(|_| "***".to_owned(), |phone| phone.masked());
            json!({"phone": masked, "source": source, "opted_out_at": at})
        })
        .collect();
    Ok(HttpResponse::Ok().json(paginate(&request, &page, count, results)?))
}

/// Takes a number off the list.
#[utoipa::path(delete, path = "/api/integrations/sms/opt-outs/{phone}/", tag = "sms", params(("phone" = String, Path)),
    responses((status = 204), (status = 401), (status = 403), (status = 404)))]
pub(crate) async fn delete_opt_out(
    caller: Allowed<Superuser>,
    ip: ClientIp,
    phone: Path<String>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let missing = || ApiError::no_match("sms.not_opted_out", "OptOut");
    let phone = PhoneNumber::parse(&phone).map_err(|_| missing())?;
    let audit = AuditEntry::new(
        caller.sub,
        ActorKind::User,
        "integrations.sms_opt_out_removed",
        state.now(),
    )
    .origin(Some(ip.0), None);
    let removed = state
        .stack
        .db
        .transaction(async |conn| {
            record(conn, audit.clone()).await?;
            Ok::<_, DbError>(opt_out::remove(conn, phone.e164()).await?)
        })
        .await
        .map_err(ApiError::internal)?;
    if removed == 0 {
        return Err(missing());
    }
    Ok(HttpResponse::NoContent().finish())
}
