//! The organisation of a person who has none: Contexor's pages work in the caller's first organisation and wait for
//! ever without one (wire.md 6.3, 9.1).

use chrono::{DateTime, Utc};
use common_types::Language;
use diesel_async::AsyncPgConnection;
use service_http::ApiError;
use uuid::Uuid;

use super::service;
use super::store::NewOrganization;
use crate::user::{User, store as users};
use crate::workspace::service as workspaces;
use crate::workspace::store::NewWorkspace;

/// Makes a personal organisation with one workspace unless the person already has an open organisation. The user's
/// row is locked, so that two logins at once make one.
///
/// # Errors
/// Database failures.
pub(crate) async fn ensure(
    conn: &mut AsyncPgConnection,
    user: &User,
    now: DateTime<Utc>,
) -> Result<(), ApiError> {
    users::lock_user(conn, user.id).await?;
    if !users::list_standings(conn, user.id).await?.is_empty() {
        return Ok(());
    }
    let (organization_name, workspace_name) = match user.language {
        Language::Fa => ("سازمان شخصی", "فضای کار من"),
        Language::Fr => ("Organisation personnelle", "Mon espace de travail"),
        Language::En => ("Personal organization", "My workspace"),
    };
    let organization = NewOrganization {
        id: Uuid::now_v7(),
        name: organization_name.to_owned(),
        slug: format!("personal-{}", Uuid::new_v4().simple()),
        description: String::new(),
        is_active: true,
        is_personal: true,
        created_at: now,
        updated_at: now,
    };
    service::create(conn, &organization, user.id, now).await?;
    let workspace = NewWorkspace {
        id: Uuid::now_v7(),
        organization_id: organization.id,
        name: workspace_name.to_owned(),
        slug: "main".to_owned(),
        description: String::new(),
        is_active: true,
        created_at: now,
        updated_at: now,
    };
    workspaces::create(conn, &workspace, now).await?;
    Ok(())
}
