//! Making and changing organisations.

use chrono::{DateTime, Utc};
use common_types::ContentRole;
use common_types::events::auth::OrganizationChanged;
use diesel::QueryResult;
use diesel_async::AsyncPgConnection;
use service_events::outbox;
use service_http::{ApiError, Text};
use uuid::Uuid;

use super::store::{self, NewOrganization, OrganizationChanges, OrganizationRow};
use crate::SERVICE;
use crate::member::service::{Roles, join};

/// Makes an organisation; its maker becomes content admin.
///
/// # Errors
/// 400 for a taken slug; database failures.
pub(crate) async fn create(
    conn: &mut AsyncPgConnection,
    new: &NewOrganization,
    maker: Uuid,
    now: DateTime<Utc>,
) -> Result<OrganizationRow, ApiError> {
    let row = store::insert_organization(conn, new).await.map_err(taken)?;
    tell(conn, &row, now).await?;
    let roles = Roles {
        clinic_role: None,
        content_role: Some(ContentRole::Admin),
    };
    join(conn, row.id, maker, roles, now).await?;
    Ok(row)
}

/// Changes an organisation.
///
/// # Errors
/// 400 for a taken slug; database failures.
pub(crate) async fn change(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    changes: &OrganizationChanges,
    now: DateTime<Utc>,
) -> Result<OrganizationRow, ApiError> {
    let row = store::update_organization(conn, id, changes, now)
        .await
        .map_err(taken)?;
    tell(conn, &row, now).await?;
    Ok(row)
}

/// Tells the others how the organisation is now.
///
/// # Errors
/// Database failures.
pub(crate) async fn tell(
    conn: &mut AsyncPgConnection,
    row: &OrganizationRow,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    let event = OrganizationChanged {
        organization_id: row.id,
        number: row.number,
        aggregate_version: row.version,
        name: row.name.clone(),
        slug: row.slug.clone(),
        is_active: row.is_active,
        changed_at: now,
    };
    outbox::emit(conn, SERVICE, &event, now).await.map(|_| ())
}

fn taken(error: diesel::result::Error) -> ApiError {
    if service_db::violated(&error) == Some("organizations_slug_key") {
        return ApiError::invalid().field(
            "slug",
            Text::i18n(
                "سازمانی با این اسلاگ وجود دارد.",
                "Une organisation avec ce slug existe déjà.",
                "organization with this slug already exists.",
            ),
        );
    }
    ApiError::from(error)
}
