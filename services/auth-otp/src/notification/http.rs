//! `/api/auth/notifications/`: CIMEF's bell (cimef.md 2.1).

use actix_web::{HttpResponse, web};
use chrono::{DateTime, Utc};
use common_types::{ClinicRole, PhoneNumber};
use serde::Serialize;
use serde_json::json;
use service_http::{ApiError, Caller, Path};
use utoipa::ToSchema;
use uuid::Uuid;

use super::store::{self, NotificationRow};
use crate::organization::Rights;
use crate::state::AppState;

/// A staff login.
#[derive(Debug, Serialize, ToSchema)]
pub struct NotificationResponse {
    /// The notification's number.
    pub id: i64,
    /// Who logged in: the user's number.
    pub user: i64,
    /// Full name, else the handle; never empty.
    pub user_name: String,
    /// The role's French label.
    pub user_role: &'static str,
    /// When.
    pub login_time: DateTime<Utc>,
    /// From where.
    pub ip_address: String,
    /// Seen by an admin.
    pub is_read: bool,
}

impl From<NotificationRow> for NotificationResponse {
    fn from(row: NotificationRow) -> Self {
        let full = Some(row.full_name).filter(|name| !name.is_empty());
        let phone = || {
            row.phone
                .and_then(|phone| PhoneNumber::parse(&phone).ok())
                .map(|phone| phone.national())
        };
        Self {
            id: row.number,
            user: row.user_number,
            user_name: full.or(row.username).or_else(phone).unwrap_or_default(),
            user_role: label(&row.role),
            login_time: row.logged_in_at,
            ip_address: row.ip_address,
            is_read: row.read_at.is_some(),
        }
    }
}

/// CIMEF's French label of a role word; empty for who has no clinic role.
pub(crate) fn label(role: &str) -> &'static str {
    if role == "superuser" {
        return "Superutilisateur";
    }
    match role.parse() {
        Ok(ClinicRole::Admin) => "Administrateur",
        Ok(ClinicRole::Doctor) => "Docteur",
        Ok(ClinicRole::Secretary) => "Secrétaire",
        Ok(ClinicRole::Accountant) => "Comptable",
        Err(_) => "",
    }
}

/// The newest fifty staff logins of the clinic; its admins and superusers.
#[utoipa::path(get, path = "/api/auth/notifications/", tag = "users", operation_id = "list_notifications",
    responses((status = 200, description = "`results` and `unread_count`"), (status = 403)))]
pub async fn list_notifications(
    state: web::Data<AppState>,
    caller: Caller,
) -> Result<HttpResponse, ApiError> {
    let organization = clinic(&state, &caller).await?;
    let mut conn = state.stack.db.get().await?;
    let rows = store::list_newest(&mut conn, organization).await?;
    let unread = store::count_unread(&mut conn, organization).await?;
    let results: Vec<NotificationResponse> =
        rows.into_iter().map(NotificationResponse::from).collect();
    Ok(HttpResponse::Ok().json(json!({"results": results, "unread_count": unread})))
}

/// Marks one as read.
#[utoipa::path(post, path = "/api/auth/notifications/{id}/read/", tag = "users", operation_id = "read_notification",
    params(("id" = i64, Path, description = "The number")), responses((status = 200), (status = 403), (status = 404)))]
pub async fn read_notification(
    state: web::Data<AppState>,
    caller: Caller,
    id: Path<i64>,
) -> Result<HttpResponse, ApiError> {
    const MISSING: &str = "Notification introuvable";
    let organization = clinic(&state, &caller).await?;
    let mut conn = state.stack.db.get().await?;
    if !store::mark_read(&mut conn, organization, *id, state.now()).await? {
        return Err(ApiError::not_found("auth.object_missing", MISSING)
            .contract(json!({"detail": MISSING, "error": MISSING})));
    }
    Ok(HttpResponse::Ok().json(json!({"status": "ok"})))
}

/// Marks all as read.
#[utoipa::path(post, path = "/api/auth/notifications/read-all/", tag = "users", operation_id = "read_all_notifications",
    responses((status = 200), (status = 403)))]
pub async fn read_all_notifications(
    state: web::Data<AppState>,
    caller: Caller,
) -> Result<HttpResponse, ApiError> {
    let organization = clinic(&state, &caller).await?;
    let mut conn = state.stack.db.get().await?;
    store::mark_all_read(&mut conn, organization, state.now()).await?;
    Ok(HttpResponse::Ok().json(json!({"status": "ok"})))
}

/// The clinic of the caller's session when they run it.
async fn clinic(state: &AppState, caller: &Caller) -> Result<Uuid, ApiError> {
    const DENIED: &str = "Accès refusé";
    let denied = || {
        ApiError::forbidden("auth.permission_denied", DENIED)
            .contract(json!({"detail": DENIED, "error": DENIED}))
    };
    let organization = caller.org.ok_or_else(denied)?;
    let mut conn = state.stack.db.get().await?;
    let rights = Rights::in_organization(&mut conn, caller, organization).await?;
    if rights.is_clinic_admin() {
        Ok(organization)
    } else {
        Err(denied())
    }
}
