//! Joining, changing roles, leaving.

use chrono::{DateTime, Utc};
use common_types::events::auth::MemberChanged;
use common_types::{ClinicRole, ContentRole};
use diesel::QueryResult;
use diesel_async::AsyncPgConnection;
use service_events::outbox;
use service_http::ApiError;
use uuid::Uuid;

use super::store::{self, LockedMember};
use crate::SERVICE;
use crate::user::{service as users, store as user_store};

/// A role on each axis.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Roles {
    /// In the clinic.
    pub clinic_role: Option<ClinicRole>,
    /// In the content workshop.
    pub content_role: Option<ContentRole>,
}

/// Makes a user a member and tells the others.
///
/// # Errors
/// The unique key `memberships_user_organization_key`; database failures.
pub async fn join(
    conn: &mut AsyncPgConnection,
    organization: Uuid,
    user: Uuid,
    roles: Roles,
    now: DateTime<Utc>,
) -> QueryResult<Uuid> {
    let id = store::insert_member(conn, organization, user, roles, now).await?;
    tell(conn, id, now).await?;
    Ok(id)
}

/// Gives a member other roles.
///
/// # Errors
/// 409 when the last admin would go; database failures.
pub async fn change_roles(
    conn: &mut AsyncPgConnection,
    membership: Uuid,
    organization: Uuid,
    roles: Roles,
    now: DateTime<Utc>,
) -> Result<(), ApiError> {
    keep_an_admin(conn, organization, membership, roles).await?;
    store::update_roles(conn, membership, roles, now).await?;
    Ok(tell(conn, membership, now).await?)
}

/// Suspends a membership, or takes it up again. A suspended one gives no rights and counts as no member elsewhere.
///
/// # Errors
/// 409 when the last admin would go; database failures.
pub async fn change_active(
    conn: &mut AsyncPgConnection,
    membership: Uuid,
    organization: Uuid,
    is_active: bool,
    now: DateTime<Utc>,
) -> Result<(), ApiError> {
    if !is_active {
        keep_an_admin(conn, organization, membership, Roles::default()).await?;
    }
    store::update_active(conn, membership, is_active, now).await?;
    Ok(tell(conn, membership, now).await?)
}

/// Ends a membership.
///
/// # Errors
/// 409 when the last admin would go; database failures.
pub async fn leave(
    conn: &mut AsyncPgConnection,
    membership: Uuid,
    organization: Uuid,
    now: DateTime<Utc>,
) -> Result<(), ApiError> {
    keep_an_admin(conn, organization, membership, Roles::default()).await?;
    store::update_roles(conn, membership, Roles::default(), now).await?;
    let member = store::get_member(conn, membership).await?;
    store::delete_member(conn, membership).await?;
    let event = MemberChanged {
        membership_id: membership,
        aggregate_version: member.version,
        organization_id: organization,
        user_id: member.user_id,
        clinic_role: None,
        content_role: None,
        is_active: false,
        changed_at: now,
    };
    outbox::emit(conn, SERVICE, &event, now).await?;
    let user = user_store::touch_user(conn, member.user_id, now).await?;
    users::tell(conn, &user, now).await?;
    Ok(())
}

async fn tell(
    conn: &mut AsyncPgConnection,
    membership: Uuid,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    let member = store::get_member(conn, membership).await?;
    let is_active = member.is_active;
    let event = MemberChanged {
        membership_id: membership,
        aggregate_version: member.version,
        organization_id: member.organization_id,
        user_id: member.user_id,
        clinic_role: member
            .clinic_role
            .filter(|_| is_active)
            .and_then(|role| role.parse().ok()),
        content_role: member
            .content_role
            .filter(|_| is_active)
            .and_then(|role| role.parse().ok()),
        is_active,
        changed_at: now,
    };
    outbox::emit(conn, SERVICE, &event, now).await?;
    let user = user_store::touch_user(conn, member.user_id, now).await?;
    users::tell(conn, &user, now).await
}

/// Refuses a change after which an axis that had an admin has none. The rows are locked, so two admins cannot take
/// each other's role at the same time.
pub(crate) async fn keep_an_admin(
    conn: &mut AsyncPgConnection,
    organization: Uuid,
    membership: Uuid,
    after: Roles,
) -> Result<(), ApiError> {
    let members = store::lock_members(conn, organization).await?;
    let lost = |is_admin: fn(&LockedMember) -> bool, stays: bool| {
        let had = members
            .iter()
            .any(|row| row.0 == membership && is_admin(row));
        let others = members
            .iter()
            .any(|row| row.0 != membership && is_admin(row));
        had && !stays && !others
    };
    let clinic = lost(
        |row| row.1.as_deref() == Some("admin"),
        after.clinic_role == Some(ClinicRole::Admin),
    );
    let content = lost(
        |row| row.2.as_deref() == Some("admin"),
        after.content_role == Some(ContentRole::Admin),
    );
    if clinic || content {
        return Err(ApiError::conflict("auth.last_admin", "").i18n(
            "سازمان نمی‌تواند بدون مدیر بماند.",
            "L'organisation ne peut rester sans administrateur.",
            "The organisation cannot be left without an admin.",
        ));
    }
    Ok(())
}
