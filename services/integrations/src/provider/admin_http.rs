//! Making, describing and removing providers: superusers only, for providers are the platform's.

use actix_web::{HttpResponse, web};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use service_audit::{ActorKind, AuditEntry, record};
use service_db::{DbError, violated};
use service_http::{Allowed, ApiError, ClientIp, Json, Path, Superuser, Text, text};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    admin_store::{self, NewProvider, SettingsChange, SettingsRow},
    http::{find, missing},
};
use crate::{AppState, providers::Adapter};

const TYPES: [&str; 7] = [
    "sms",
    "payment",
    "ai",
    "storage",
    "notification",
    "analytics",
    "other",
];
/// A provider without a client of ours: kept for its credentials and webhooks.
pub(crate) const NO_CLIENT: &str = "none";

/// Body of `POST providers/`.
#[derive(Deserialize, ToSchema)]
pub(crate) struct CreateProviderRequest {
    name: String,
    slug: String,
    provider_type: String,
    #[serde(default)]
    status: Option<String>,
    #[serde(default)]
    description: String,
    #[serde(default)]
    api_base_url: String,
    #[serde(default)]
    documentation_url: String,
    /// Which client of ours speaks to it; by its type when absent.
    #[serde(default)]
    adapter: Option<String>,
    /// Lower is tried first; 100 when absent.
    #[serde(default)]
    priority: Option<i32>,
    #[serde(default)]
    #[schema(value_type = Object)]
    settings: Option<Value>,
}

pub(super) fn is_web_address(text: &str) -> bool {
    text.is_empty()
        || url::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https"))
}

fn refusal_of(body: &CreateProviderRequest, adapter: &str) -> Option<ApiError> {
    let mut refusal: Option<ApiError> = None;
    let mut refuse = |field: &str, message: Text| {
        let known = refusal.take().unwrap_or_else(ApiError::invalid);
        refusal = Some(known.field(field, message));
    };
    if body.name.trim().is_empty() {
        refuse("name", text::not_blank());
    } else if body.name.chars().count() > 100 {
        refuse("name", text::too_long(100));
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if body.slug.is_empty() || body.slug.len() > 50 || !body.slug.chars().all(plain) {
        refuse("slug", text::invalid_value());
    }
    if !TYPES.contains(&body.provider_type.as_str()) {
        refuse("provider_type", text::not_a_choice(&body.provider_type));
    }
    let status = body.status.as_deref().unwrap_or("active");
    if !["active", "inactive", "maintenance"].contains(&status) {
        refuse("status", text::not_a_choice(status));
    }
    let usable = Adapter::parse(adapter).is_some_and(|adapter| !adapter.is_stand_in());
    if adapter != NO_CLIENT && !usable {
        refuse("adapter", text::not_a_choice(adapter));
    }
    for (field, value) in [
        ("api_base_url", &body.api_base_url),
        ("documentation_url", &body.documentation_url),
    ] {
        if !is_web_address(value) || value.len() > 500 {
            refuse(field, Text::from("Enter a valid URL."));
        }
    }
    if body
        .settings
        .as_ref()
        .is_some_and(|settings| !settings.is_object())
    {
        refuse("settings", Text::from("An object is expected."));
    }
    refusal
}

/// The client of a new provider, when none is named: its namesake, else the one of its type that goes by configuration.
fn adapter_of(body: &CreateProviderRequest) -> String {
    if let Some(adapter) = &body.adapter {
        return adapter.clone();
    }
    match Adapter::parse(&body.slug.replace('-', "_")) {
        Some(adapter) if !adapter.is_stand_in() => adapter.as_str(),
        _ if body.provider_type == "payment" => Adapter::PaymentGateway.as_str(),
        _ => NO_CLIENT,
    }
    .to_owned()
}

/// Makes a provider.
#[utoipa::path(post, path = "/api/integrations/providers/", tag = "providers", request_body = CreateProviderRequest,
    responses((status = 201), (status = 400), (status = 403)))]
pub(crate) async fn create_provider(
    caller: Allowed<Superuser>,
    ip: ClientIp,
    body: Json<CreateProviderRequest>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    state.ready().await.map_err(ApiError::internal)?;
    let body = body.into_inner();
    let adapter = adapter_of(&body);
    if let Some(refusal) = refusal_of(&body, &adapter) {
        return Err(refusal);
    }
    let (id, now) = (Uuid::now_v7(), state.now());
    let slug = body.slug.clone();
    let new = NewProvider {
        id,
        name: body.name.trim().to_owned(),
        slug: body.slug,
        provider_type: body.provider_type,
        status: body.status.unwrap_or_else(|| "active".to_owned()),
        adapter,
        description: body.description,
        api_base_url: body.api_base_url.trim_end_matches('/').to_owned(),
        documentation_url: body.documentation_url,
        priority: body.priority.unwrap_or(100),
        settings: body.settings.unwrap_or_else(|| json!({})),
        created_at: now,
        updated_at: now,
    };
    let audit = audit(&caller, ip, "integrations.provider_created", id, now);
    let made = state
        .stack
        .db
        .transaction(async |conn| {
            record(conn, audit.clone()).await?;
            admin_store::insert_provider(conn, new.clone()).await?;
            Ok::<_, DbError>(())
        })
        .await;
    made.map_err(taken)?;
    state.registry.forget();
    Ok(HttpResponse::Created().json(find(&state, &slug).await?))
}

pub(super) fn taken(error: DbError) -> ApiError {
    let violation = match &error {
        DbError::Query(error) => violated(error),
        DbError::Timeout(_) | DbError::Connect(_) => None,
    };
    let field = match violation {
        Some("providers_name_key") => "name",
        Some("providers_slug_key") => "slug",
        _ => return ApiError::internal(error),
    };
    ApiError::invalid().field(
        field,
        format!("integration provider with this {field} already exists."),
    )
}

fn audit(
    caller: &Allowed<Superuser>,
    ip: ClientIp,
    action: &'static str,
    id: Uuid,
    now: DateTime<Utc>,
) -> AuditEntry {
    AuditEntry::new(caller.sub, ActorKind::User, action, now)
        .subject("provider", id)
        .origin(Some(ip.0), None)
}

/// Removes a provider that nothing refers to.
#[utoipa::path(delete, path = "/api/integrations/providers/{slug}/", tag = "providers", params(("slug" = String, Path)),
    responses((status = 204), (status = 403), (status = 404), (status = 409)))]
pub(crate) async fn delete_provider(
    caller: Allowed<Superuser>,
    ip: ClientIp,
    slug: Path<String>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let row = find(&state, &slug).await?;
    let audit = audit(
        &caller,
        ip,
        "integrations.provider_deleted",
        row.id,
        state.now(),
    );
    let deleted = state
        .stack
        .db
        .transaction(async |conn| {
            record(conn, audit.clone()).await?;
            admin_store::delete_provider(conn, row.id).await?;
            Ok::<_, DbError>(())
        })
        .await;
    match deleted {
        Ok(()) => {}
        Err(DbError::Query(error))
            if violated(&error).is_some_and(|name| name.ends_with("_fkey")) =>
        {
            return Err(ApiError::conflict(
                "provider.in_use",
                Text::i18n(
                    "این ارائه‌دهنده اعتبارنامه، وب‌هوک یا سابقه دارد؛ آن را غیرفعال کنید.",
                    "Ce fournisseur a des identifiants, des webhooks ou un journal ; désactivez-le.",
                    "The provider has credentials, webhooks or logs; switch it off instead.",
                ),
            ));
        }
        Err(error) => return Err(ApiError::internal(error)),
    }
    state.registry.forget();
    Ok(HttpResponse::NoContent().finish())
}

/// How a provider works here, beside what its contract shows.
#[derive(Serialize, ToSchema)]
pub(crate) struct ProviderSettingsResponse {
    adapter: String,
    /// Lower is tried first.
    priority: i32,
    #[schema(value_type = Object)]
    settings: Value,
    /// Health checks that failed in a row.
    consecutive_failures: i32,
    #[schema(value_type = Option<Object>)]
    last_health: Option<Value>,
    last_checked_at: Option<DateTime<Utc>>,
    /// Since when its account holds less than `settings.balance_alarm`.
    low_balance_since: Option<DateTime<Utc>>,
}

impl From<SettingsRow> for ProviderSettingsResponse {
    fn from(row: SettingsRow) -> Self {
        Self {
            adapter: row.adapter,
            priority: row.priority,
            settings: row.settings,
            consecutive_failures: row.consecutive_failures,
            last_health: row.last_health,
            last_checked_at: row.last_checked_at,
            low_balance_since: row.low_balance_since,
        }
    }
}

/// A provider's client, place, settings and last health check.
#[utoipa::path(get, path = "/api/integrations/providers/{slug}/settings/", tag = "providers", params(("slug" = String, Path)),
    responses((status = 200, body = ProviderSettingsResponse), (status = 403), (status = 404)))]
pub(crate) async fn get_provider_settings(
    _caller: Allowed<Superuser>,
    slug: Path<String>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    state.ready().await.map_err(ApiError::internal)?;
    let mut conn = state.stack.db.get().await?;
    let row = admin_store::find_settings(&mut conn, &slug).await?;
    Ok(HttpResponse::Ok().json(ProviderSettingsResponse::from(row.ok_or_else(missing)?)))
}

/// Body of `PATCH providers/{slug}/settings/`.
#[derive(Deserialize, ToSchema)]
pub(crate) struct UpdateSettingsRequest {
    #[serde(default)]
    priority: Option<i32>,
    /// Replaces the settings; `balance_alarm` raises an alarm when the account holds less.
    #[serde(default)]
    #[schema(value_type = Object)]
    settings: Option<Value>,
}

/// Changes a provider's place and settings.
#[utoipa::path(patch, path = "/api/integrations/providers/{slug}/settings/", tag = "providers", params(("slug" = String, Path)),
    request_body = UpdateSettingsRequest, responses((status = 200, body = ProviderSettingsResponse), (status = 400), (status = 403), (status = 404)))]
pub(crate) async fn update_provider_settings(
    caller: Allowed<Superuser>,
    ip: ClientIp,
    slug: Path<String>,
    body: Json<UpdateSettingsRequest>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let body = body.into_inner();
    if let Some(settings) = &body.settings {
        let alarm = settings.get("balance_alarm");
        if !settings.is_object() || alarm.is_some_and(|alarm| !alarm.is_number()) {
            return Err(ApiError::invalid().field(
                "settings",
                "An object is expected, with a number as balance_alarm.",
            ));
        }
    }
    let row = find(&state, &slug).await?;
    let now = state.now();
    let change = SettingsChange {
        priority: body.priority,
        settings: body.settings,
        updated_at: Some(now),
    };
    let audit = audit(&caller, ip, "integrations.provider_updated", row.id, now);
    let changed = state
        .stack
        .db
        .transaction(async |conn| {
            record(conn, audit.clone()).await?;
            admin_store::update_settings(conn, row.id, change.clone()).await?;
            Ok::<_, DbError>(admin_store::find_settings(conn, &slug).await?)
        })
        .await?;
    state.registry.forget();
    Ok(HttpResponse::Ok().json(ProviderSettingsResponse::from(changed.ok_or_else(missing)?)))
}
