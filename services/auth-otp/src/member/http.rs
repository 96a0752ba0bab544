//! `/api/auth/organization-members/` (A08, A15; wire.md 6.2).

use std::str::FromStr;

use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{DateTime, Utc};
use common_types::internal::auth::Revocation;
use common_types::{Language, PhoneNumber};
use diesel_async::AsyncPgConnection;
use serde_json::json;
use service_audit::{ActorKind, AuditEntry};
use service_http::text::{not_a_choice, required};
use service_http::{ApiError, Caller, Json, PageQuery, Path, Query, paginate};
use uuid::Uuid;

use super::dto::{MemberFilter, MemberRequest, MemberResponse};
use super::service::{self, Roles};
use super::store::{self, MemberQuery, MemberRow};
use crate::organization::{Rights, store as organizations};
use crate::session::revocation;
use crate::state::AppState;
use crate::user::{User, service as users, store as user_store};
use crate::validate::{Errors, missing_object};

const MODEL: &str = "OrganizationMember";

/// Members of the caller's organisations.
#[utoipa::path(get, path = "/api/auth/organization-members/", tag = "organizations", operation_id = "list_members",
    responses((status = 200, description = "A page of members")))]
pub async fn list_members(
    state: web::Data<AppState>,
    caller: Caller,
    request: HttpRequest,
    page: Query<PageQuery>,
    filter: Query<MemberFilter>,
) -> Result<HttpResponse, ApiError> {
    let mut conn = state.stack.db.get().await?;
    let query = MemberQuery {
        seen_by: (!caller.superuser).then_some(caller.sub),
        organization: filter.organization,
        role: filter.role.as_deref(),
        search: page.search(),
        ordering: page.ordering.as_deref().unwrap_or_default(),
        offset: page.offset(),
        limit: page.limit(),
    };
    let (count, rows) = store::list_members(&mut conn, &query).await?;
    let shown = rows.into_iter().map(MemberResponse::from).collect();
    Ok(HttpResponse::Ok().json(paginate(&request, &page, count, shown)?))
}

/// Makes somebody a member; admins only. A clinic role needs a clinic admin.
#[utoipa::path(post, path = "/api/auth/organization-members/", tag = "organizations", operation_id = "create_member",
    request_body = MemberRequest, responses((status = 201, body = MemberResponse), (status = 400), (status = 403)))]
pub async fn create_member(
    state: web::Data<AppState>,
    caller: Caller,
    body: Json<MemberRequest>,
) -> Result<HttpResponse, ApiError> {
    let body = body.into_inner();
    let mut errors = Errors::new();
    let roles = roles(&body, Roles::default(), &mut errors);
    if body.user_id.is_none() && body.phone_number.is_none() {
        errors.add("user_id", required());
    }
    if roles == Roles::default() {
        errors.add("role", required());
    }
    let phone = body
        .phone_number
        .as_deref()
        .map(PhoneNumber::parse)
        .transpose();
    let phone = phone.unwrap_or_else(|error| {
        errors.add("phone_number", error.to_string());
        None
    });
    let mut conn = state.stack.db.get().await?;
    let organization = match body.organization {
        Some(number) => seen_organization(&mut conn, &caller, number, &mut errors).await?,
        None => {
            errors.add("organization", required());
            None
        }
    };
    let user = match body.user_id {
        Some(number) => {
            let user = known_user(&mut conn, &caller, number).await?;
            if user.is_none() {
                errors.add("user_id", missing_object(&number.to_string()));
            }
            user
        }
        None => None,
    };
    drop(conn);
    errors.into_result()?;
    let (organization, rights) = organization.ok_or_else(ApiError::permission_denied)?;
    allow(&rights, Roles::default(), roles)?;
    let now = state.now();
    let actor = caller.sub;
    let member = state
        .stack
        .db
        .transaction(
            async |conn: &mut AsyncPgConnection| -> Result<MemberRow, ApiError> {
                let user = the_user(conn, user.as_ref(), phone.as_ref(), caller.lang, now).await?;
                let id = service::join(conn, organization, user, roles, now)
                    .await
                    .map_err(taken)?;
                let member = store::get_member(conn, id).await?;
                audit(conn, actor, "member.added", &member, now).await?;
                Ok(member)
            },
        )
        .await?;
    state.stack.outbox.wake();
    Ok(HttpResponse::Created().json(MemberResponse::from(member)))
}

/// One member of the caller's organisations.
#[utoipa::path(get, path = "/api/auth/organization-members/{id}/", tag = "organizations", operation_id = "get_member",
    params(("id" = i64, Path, description = "The number")), responses((status = 200, body = MemberResponse), (status = 404)))]
pub async fn get_member(
    state: web::Data<AppState>,
    caller: Caller,
    id: Path<i64>,
) -> Result<HttpResponse, ApiError> {
    let mut conn = state.stack.db.get().await?;
    let (member, _) = visible(&mut conn, &caller, *id).await?;
    Ok(HttpResponse::Ok().json(MemberResponse::from(member)))
}

/// Changes a member's roles; admins only, clinic roles by clinic admins.
#[utoipa::path(patch, path = "/api/auth/organization-members/{id}/", tag = "organizations", operation_id = "update_member",
    params(("id" = i64, Path, description = "The number")), request_body = MemberRequest,
    responses((status = 200, body = MemberResponse), (status = 400), (status = 403), (status = 404), (status = 409)))]
pub async fn update_member(
    state: web::Data<AppState>,
    caller: Caller,
    id: Path<i64>,
    body: Json<MemberRequest>,
) -> Result<HttpResponse, ApiError> {
    let mut conn = state.stack.db.get().await?;
    let (member, rights) = visible(&mut conn, &caller, *id).await?;
    drop(conn);
    let before = of_row(&member);
    let mut errors = Errors::new();
    let after = roles(&body, before, &mut errors);
    errors.into_result()?;
    allow(&rights, before, after)?;
    let (now, actor) = (state.now(), caller.sub);
    let (member, ended) = state
        .stack
        .db
        .transaction(
            async |conn: &mut AsyncPgConnection| -> Result<(MemberRow, Revocation), ApiError> {
                service::change_roles(conn, member.id, member.organization_id, after, now).await?;
                let member = store::get_member(conn, member.id).await?;
                audit(conn, actor, "member.changed", &member, now).await?;
                let ended = revocation::end_tokens_of(conn, &state, member.user_id, now).await?;
                Ok((member, ended))
            },
        )
        .await?;
    revocation::announce(&state, &[ended]);
    Ok(HttpResponse::Ok().json(MemberResponse::from(member)))
}

/// Ends a membership; admins, or the member.
#[utoipa::path(delete, path = "/api/auth/organization-members/{id}/", tag = "organizations", operation_id = "delete_member",
    params(("id" = i64, Path, description = "The number")), responses((status = 204), (status = 403), (status = 404), (status = 409)))]
pub async fn delete_member(
    state: web::Data<AppState>,
    caller: Caller,
    id: Path<i64>,
) -> Result<HttpResponse, ApiError> {
    let mut conn = state.stack.db.get().await?;
    let (member, rights) = visible(&mut conn, &caller, *id).await?;
    drop(conn);
    if member.user_id != caller.sub {
        allow(&rights, of_row(&member), Roles::default())?;
    }
    let (now, actor) = (state.now(), caller.sub);
    let ended = state
        .stack
        .db
        .transaction(
            async |conn: &mut AsyncPgConnection| -> Result<Revocation, ApiError> {
                audit(conn, actor, "member.removed", &member, now).await?;
                service::leave(conn, member.id, member.organization_id, now).await?;
                Ok(revocation::end_tokens_of(conn, &state, member.user_id, now).await?)
            },
        )
        .await?;
    revocation::announce(&state, &[ended]);
    Ok(HttpResponse::NoContent().finish())
}

/// Admins change members; what touches a clinic role needs a clinic admin.
fn allow(rights: &Rights, before: Roles, after: Roles) -> Result<(), ApiError> {
    rights.require_admin()?;
    if before.clinic_role != after.clinic_role && !rights.is_clinic_admin() {
        return Err(ApiError::permission_denied());
    }
    Ok(())
}

fn of_row(member: &MemberRow) -> Roles {
    Roles {
        clinic_role: member
            .clinic_role
            .as_deref()
            .and_then(|role| role.parse().ok()),
        content_role: member
            .content_role
            .as_deref()
            .and_then(|role| role.parse().ok()),
    }
}

fn roles(body: &MemberRequest, before: Roles, errors: &mut Errors) -> Roles {
    Roles {
        content_role: role("role", body.role.as_ref(), before.content_role, errors),
        clinic_role: role(
            "clinic_role",
            body.clinic_role.as_ref(),
            before.clinic_role,
            errors,
        ),
    }
}

fn role<R: FromStr>(
    name: &str,
    given: Option<&Option<String>>,
    before: Option<R>,
    errors: &mut Errors,
) -> Option<R> {
    match given {
        None => before,
        Some(None) => None,
        Some(Some(word)) => word
            .parse()
            .map_err(|_| errors.add(name, not_a_choice(word)))
            .ok(),
    }
}

async fn seen_organization(
    conn: &mut AsyncPgConnection,
    caller: &Caller,
    number: i64,
    errors: &mut Errors,
) -> Result<Option<(Uuid, Rights)>, ApiError> {
    if let Some(row) = organizations::find_organization(conn, number).await? {
        let rights = Rights::in_organization(conn, caller, row.id).await?;
        if rights.is_member() {
            return Ok(Some((row.id, rights)));
        }
    }
    errors.add("organization", missing_object(&number.to_string()));
    Ok(None)
}

/// A number alone names only people the caller can already see; strangers are invited by phone, or anyone could
/// read names and phones by counting upwards.
async fn known_user(
    conn: &mut AsyncPgConnection,
    caller: &Caller,
    number: i64,
) -> Result<Option<User>, ApiError> {
    let Some(user) = user_store::find_user_by_number(conn, number).await? else {
        return Ok(None);
    };
    let known = caller.superuser
        || user.id == caller.sub
        || store::share_an_organization(conn, caller.sub, user.id).await?;
    Ok(known.then_some(user))
}

async fn the_user(
    conn: &mut AsyncPgConnection,
    found: Option<&User>,
    phone: Option<&PhoneNumber>,
    language: Language,
    now: DateTime<Utc>,
) -> Result<Uuid, ApiError> {
    match (found, phone) {
        (Some(user), _) => Ok(user.id),
        (None, Some(phone)) => Ok(users::find_or_register(conn, phone, language, now)
            .await?
            .0
            .id),
        (None, None) => Err(ApiError::invalid().field("user_id", required())),
    }
}

async fn visible(
    conn: &mut AsyncPgConnection,
    caller: &Caller,
    number: i64,
) -> Result<(MemberRow, Rights), ApiError> {
    let missing = || ApiError::no_match("auth.object_missing", MODEL);
    let member = store::find_member(conn, number)
        .await?
        .ok_or_else(missing)?;
    let rights = Rights::of(conn, caller, member.organization_id, MODEL).await?;
    Ok((member, rights))
}

fn taken(error: diesel::result::Error) -> ApiError {
    if service_db::violated(&error) == Some("memberships_user_organization_key") {
        return ApiError::invalid().field(
            "non_field_errors",
            "The fields user, organization must make a unique set.",
        );
    }
    ApiError::from(error)
}

async fn audit(
    conn: &mut AsyncPgConnection,
    actor: Uuid,
    action: &'static str,
    member: &MemberRow,
    now: DateTime<Utc>,
) -> Result<(), ApiError> {
    let entry = AuditEntry::new(actor, ActorKind::User, action, now)
        .subject("user", member.user_id)
        .organization(Some(member.organization_id))
        .origin(None, service_telemetry::current_request_id())
        .details(json!({"clinic_role": member.clinic_role, "content_role": member.content_role}));
    service_audit::record(conn, entry).await?;
    Ok(())
}
