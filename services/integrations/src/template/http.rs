//! `/api/integrations/templates/…`: the registry for clinic admins (their own entries) and superusers (the platform's).

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use service_audit::{ActorKind, AuditEntry, record};
use service_db::{DbError, violated};
use service_http::{
    Allowed, ApiError, ClientIp, ClinicAdmin, Json, PageQuery, Path, Query, paginate, text,
};
use utoipa::ToSchema;
use uuid::Uuid;

use super::store::{self, TemplateChange, TemplateFilter, TemplateRow};
use crate::{AppState, defaults::EMAIL, providers::Adapter};

const MAX_KEY: usize = 100;
const MAX_VALUE: usize = 2_000;
const MAX_HTML: usize = 100_000;

fn missing() -> ApiError {
    ApiError::no_match("template.not_found", "MessageTemplate")
}

#[derive(Debug, Deserialize)]
pub(crate) struct TemplateQuery {
    key: Option<String>,
    provider: Option<String>,
    language: Option<String>,
}

/// The platform's entries and the organisation's own. `search` looks in the keys; `ordering` takes `key`, `updated_at`.
#[utoipa::path(get, path = "/api/integrations/templates/", tag = "templates",
    params(("key" = Option<String>, Query), ("provider" = Option<String>, Query), ("language" = Option<String>, Query),
        ("search" = Option<String>, Query), ("ordering" = Option<String>, Query), ("page" = Option<i64>, Query)),
    responses((status = 200, body = Vec<TemplateRow>), (status = 401), (status = 403)))]
pub(crate) async fn list_templates(
    request: HttpRequest,
    caller: Allowed<ClinicAdmin>,
    query: Query<TemplateQuery>,
    page: Query<PageQuery>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    state.ready().await.map_err(ApiError::internal)?;
    let query = query.into_inner();
    let filter = TemplateFilter {
        organization_id: caller.org,
        key: query.key,
        provider: query.provider,
        language: query.language,
        search: page.search().map(str::to_owned),
    };
    let mut conn = state.stack.db.get().await.map_err(ApiError::internal)?;
    let count = store::count_templates(&mut conn, &filter)
        .await
        .map_err(ApiError::internal)?;
    let ordering = page.ordering.clone().unwrap_or_default();
    let range = (page.offset(), page.limit());
    let rows = store::list_templates(&mut conn, &filter, &ordering, range)
        .await
        .map_err(ApiError::internal)?;
    Ok(HttpResponse::Ok().json(paginate(&request, &page, count, rows)?))
}

async fn find(
    state: &AppState,
    caller: &Allowed<ClinicAdmin>,
    id: Uuid,
) -> Result<TemplateRow, ApiError> {
    let mut conn = state.stack.db.get().await.map_err(ApiError::internal)?;
    store::find_template(&mut conn, caller.org, id)
        .await
        .map_err(ApiError::internal)?
        .ok_or_else(missing)
}

/// An entry that the caller may change: the platform's only as superuser.
async fn changeable(
    state: &AppState,
    caller: &Allowed<ClinicAdmin>,
    id: Uuid,
) -> Result<TemplateRow, ApiError> {
    let row = find(state, caller, id).await?;
    if row.organization_id.is_none() && !caller.superuser {
        return Err(ApiError::permission_denied());
    }
    Ok(row)
}

/// One entry.
#[utoipa::path(get, path = "/api/integrations/templates/{id}/", tag = "templates", params(("id" = Uuid, Path)),
    responses((status = 200, body = TemplateRow), (status = 404)))]
pub(crate) async fn get_template(
    caller: Allowed<ClinicAdmin>,
    id: Path<Uuid>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(find(&state, &caller, *id).await?))
}

/// Body of `POST templates/`.
#[derive(Deserialize, ToSchema)]
pub(crate) struct CreateTemplateRequest {
    /// Logical key, such as `patient-access-otp` or `T1`.
    key: String,
    /// A provider's slug or client, `email`, or empty for the text of providers without templates.
    #[serde(default)]
    provider: String,
    /// `fa`, `fr`, `en`, or empty for all.
    #[serde(default)]
    language: String,
    /// Name or number at the provider, or the text with `%token` …
    value: String,
    #[serde(default)]
    subject: Option<String>,
    #[serde(default)]
    html: Option<String>,
    /// Superusers only: an entry for every organisation.
    #[serde(default)]
    platform: bool,
}

/// The rules of a value: what a provider can take of it.
fn check_value(provider: &str, value: &str, html: Option<&str>) -> Result<(), ApiError> {
    let refuse = |words: &str| Err(ApiError::invalid().field("value", words));
    if value.trim().is_empty() {
        return Err(ApiError::invalid().field("value", text::not_blank()));
    }
    if value.chars().count() > MAX_VALUE {
        return Err(ApiError::invalid().field("value", text::too_long(MAX_VALUE)));
    }
    if html.is_some_and(|html| html.len() > MAX_HTML) {
        return Err(ApiError::invalid().field("html", text::too_long(MAX_HTML)));
    }
    let adapter = Adapter::parse(provider);
    if adapter.is_some_and(Adapter::numbers_templates) && value.parse::<u32>().is_err() {
        return refuse("This provider knows its templates by number.");
    }
    if adapter == Some(Adapter::Kavenegar)
        && !value
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    {
        return refuse("A template's name has Latin letters, digits, - and _.");
    }
    Ok(())
}

fn check(body: &CreateTemplateRequest) -> Result<(), ApiError> {
    if body.key.trim().is_empty() {
        return Err(ApiError::invalid().field("key", text::not_blank()));
    }
    if body.key.chars().count() > MAX_KEY {
        return Err(ApiError::invalid().field("key", text::too_long(MAX_KEY)));
    }
    if !["", "fa", "fr", "en"].contains(&body.language.as_str()) {
        return Err(ApiError::invalid().field("language", text::not_a_choice(&body.language)));
    }
    if body.provider != EMAIL && (body.subject.is_some() || body.html.is_some()) {
        return Err(ApiError::invalid().field("subject", "Only e-mails have a subject and HTML."));
    }
    if body.provider == EMAIL
        && body
            .subject
            .as_deref()
            .is_none_or(|subject| subject.trim().is_empty())
    {
        return Err(ApiError::invalid().field("subject", text::required()));
    }
    check_value(&body.provider, &body.value, body.html.as_deref())
}

fn audit(
    caller: &Allowed<ClinicAdmin>,
    ip: &ClientIp,
    action: &'static str,
    id: Uuid,
    state: &AppState,
) -> AuditEntry {
    AuditEntry::new(caller.sub, ActorKind::User, action, state.now())
        .subject("message_template", id)
        .organization(caller.org)
        .origin(Some(ip.0), None)
}

/// Adds an entry.
#[utoipa::path(post, path = "/api/integrations/templates/", tag = "templates", request_body = CreateTemplateRequest,
    responses((status = 201, body = TemplateRow), (status = 400), (status = 401), (status = 403)))]
pub(crate) async fn create_template(
    caller: Allowed<ClinicAdmin>,
    ip: ClientIp,
    body: Json<CreateTemplateRequest>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let body = body.into_inner();
    check(&body)?;
    let organization_id = match (body.platform, caller.org) {
        (true, _) if caller.superuser => None,
        (false, Some(organization)) => Some(organization),
        _ => return Err(ApiError::permission_denied()),
    };
    state.ready().await.map_err(ApiError::internal)?;
    let row = TemplateRow {
        id: Uuid::now_v7(),
        organization_id,
        key: body.key.trim().to_owned(),
        provider_slug: body.provider,
        language: body.language,
        value: body.value.trim().to_owned(),
        subject: body.subject,
        html: body.html,
        updated_at: state.now(),
    };
    let entry = audit(
        &caller,
        &ip,
        "integrations.template_created",
        row.id,
        &state,
    );
    let written = state
        .stack
        .db
        .transaction(async |conn| {
            record(conn, entry.clone()).await?;
            store::insert_template(conn, &row).await?;
            Ok::<_, DbError>(())
        })
        .await;
    match written {
        Ok(()) => Ok(HttpResponse::Created().json(row)),
        Err(DbError::Query(error)) if violated(&error) == Some("message_templates_key") => {
            let words = "This key has an entry for this provider and language already.";
            Err(ApiError::invalid().field("key", words))
        }
        Err(error) => Err(ApiError::internal(error)),
    }
}

/// Body of `PATCH templates/{id}/`.
#[derive(Deserialize, ToSchema)]
pub(crate) struct UpdateTemplateRequest {
    #[serde(default)]
    value: Option<String>,
    #[serde(default)]
    subject: Option<String>,
    #[serde(default)]
    html: Option<String>,
}

/// Changes an entry.
#[utoipa::path(patch, path = "/api/integrations/templates/{id}/", tag = "templates", params(("id" = Uuid, Path)),
    request_body = UpdateTemplateRequest,
    responses((status = 200, body = TemplateRow), (status = 400), (status = 403), (status = 404)))]
pub(crate) async fn update_template(
    caller: Allowed<ClinicAdmin>,
    ip: ClientIp,
    id: Path<Uuid>,
    body: Json<UpdateTemplateRequest>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let body = body.into_inner();
    let row = changeable(&state, &caller, *id).await?;
    let value = body.value.as_deref().unwrap_or(&row.value);
    check_value(&row.provider_slug, value, body.html.as_deref())?;
    if row.provider_slug != EMAIL && (body.subject.is_some() || body.html.is_some()) {
        return Err(ApiError::invalid().field("subject", "Only e-mails have a subject and HTML."));
    }
    let change = TemplateChange {
        value: body.value.map(|value| value.trim().to_owned()),
        subject: body.subject.map(Some),
        html: body.html.map(Some),
    };
    let entry = audit(
        &caller,
        &ip,
        "integrations.template_updated",
        row.id,
        &state,
    );
    let now = state.now();
    let updated = state
        .stack
        .db
        .transaction(async |conn| {
            record(conn, entry.clone()).await?;
            Ok::<_, DbError>(store::update_template(conn, row.id, &change, now).await?)
        })
        .await
        .map_err(ApiError::internal)?;
    Ok(HttpResponse::Ok().json(updated))
}

/// Removes an entry. One that the settings describe comes back at the next start.
#[utoipa::path(delete, path = "/api/integrations/templates/{id}/", tag = "templates", params(("id" = Uuid, Path)),
    responses((status = 204), (status = 403), (status = 404)))]
pub(crate) async fn delete_template(
    caller: Allowed<ClinicAdmin>,
    ip: ClientIp,
    id: Path<Uuid>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let row = changeable(&state, &caller, *id).await?;
    let entry = audit(
        &caller,
        &ip,
        "integrations.template_deleted",
        row.id,
        &state,
    );
    state
        .stack
        .db
        .transaction(async |conn| {
            record(conn, entry.clone()).await?;
            store::delete_template(conn, row.id).await?;
            Ok::<_, DbError>(())
        })
        .await
        .map_err(ApiError::internal)?;
    Ok(HttpResponse::NoContent().finish())
}
