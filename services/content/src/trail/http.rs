//! `/api/ai/audit-logs/` (wire.md 6.2). It holds addresses of people's machines, so only admins read it.

use actix_web::{HttpRequest, HttpResponse, web::Data};
use common_types::{Page, ordering};
use serde::Deserialize;
use service_http::{ApiError, Query, paginate};

use super::store::{self, AuditLogResponse, ContentAction, Filter};
use crate::{
    AppState, actor::Member, directory::store as directory, roles::AdministerContent, wire,
};

/// Filters of the list.
#[derive(Debug, Deserialize)]
pub(crate) struct AuditLogQuery {
    content: Option<String>,
    user: Option<String>,
    action: Option<String>,
    #[serde(flatten)]
    page: wire::PageFields,
}

/// What happened to the organisation's contents, newest first.
#[utoipa::path(get, path = "/api/ai/audit-logs/", tag = "ai", security(("access" = [])),
    params(("content" = Option<i64>, Query), ("user" = Option<i64>, Query), ("action" = Option<String>, Query),
        ("ordering" = Option<String>, Query), ("page" = Option<i64>, Query)),
    responses((status = 200, body = Page<AuditLogResponse>), (status = 403)))]
pub(crate) async fn list_audit_logs(
    request: HttpRequest,
    member: Member<AdministerContent>,
    query: Query<AuditLogQuery>,
    state: Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let page = query.page.parse()?;
    let mut conn = state.stack.db.get().await?;
    let user_id = match wire::number_filter("user", query.user.as_deref())? {
        Some(number) => {
            let found = directory::find_member(&mut conn, member.organization_id, number).await?;
            Some(found.ok_or_else(|| wire::no_choice("user"))?.id)
        }
        None => None,
    };
    let order = ordering::parse(page.ordering.as_deref().unwrap_or_default(), &["timestamp"]);
    let filter = Filter {
        content_number: wire::number_filter("content", query.content.as_deref())?,
        user_id,
        action: wire::choice_filter("action", query.action.as_deref(), ContentAction::NAMES)?,
        oldest_first: order.first().is_some_and(|term| !term.descending),
        limit: page.limit(),
        offset: page.offset(),
    };
    let (total, items) = store::list_entries(&mut conn, member.organization_id, &filter).await?;
    Ok(HttpResponse::Ok().json(paginate(&request, &page, total, items)?))
}
