//! Organisations: the tenants. Members see theirs, their admins change them, superusers see all.
//!
//! What always holds: whoever makes an organisation becomes its content admin and nothing in the clinic (clinic roles
//! come from a clinic admin or a superuser, so nobody makes themselves a doctor); foreign organisations are 404; closing
//! one ends the access tokens of its members, whose sessions go on elsewhere.

pub mod actions;
pub mod dto;
pub(crate) mod filter;
pub mod http;
pub mod personal;
pub mod service;
pub mod store;

use common_types::{AccessClaims, ClinicRole, ContentRole};
use diesel_async::AsyncPgConnection;
use service_http::ApiError;
use uuid::Uuid;

/// What somebody may do in one organisation, from the rows of this moment, not from the token.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rights {
    /// Sees the organisation.
    pub member: bool,
    /// Platform-wide superuser.
    pub superuser: bool,
    /// Clinic role there.
    pub clinic_role: Option<ClinicRole>,
    /// Content role there.
    pub content_role: Option<ContentRole>,
}

impl Rights {
    /// Changes the organisation, its workspaces and its members (Contexor's `IsOrganizationAdmin`).
    #[must_use]
    pub fn is_admin(&self) -> bool {
        self.superuser || self.is_clinic_admin() || self.content_role == Some(ContentRole::Admin)
    }

    /// Gives clinic roles.
    #[must_use]
    pub fn is_clinic_admin(&self) -> bool {
        self.superuser || self.clinic_role == Some(ClinicRole::Admin)
    }

    /// Sees the organisation (Contexor's `IsOrganizationMember`).
    #[must_use]
    pub fn is_member(&self) -> bool {
        self.superuser || self.member
    }

    /// The caller's rights in an organisation; 404 when they do not even see it.
    ///
    /// # Errors
    /// 404; database failures.
    pub async fn of(
        conn: &mut AsyncPgConnection,
        caller: &AccessClaims,
        organization: Uuid,
        model: &str,
    ) -> Result<Self, ApiError> {
        let rights = Self::in_organization(conn, caller, organization).await?;
        if rights.is_member() {
            Ok(rights)
        } else {
            Err(ApiError::no_match("auth.object_missing", model))
        }
    }

    /// The caller's rights in an organisation, none included.
    ///
    /// # Errors
    /// Database failures.
    pub async fn in_organization(
        conn: &mut AsyncPgConnection,
        caller: &AccessClaims,
        organization: Uuid,
    ) -> Result<Self, ApiError> {
        Self::of_user(conn, caller.sub, caller.superuser, organization).await
    }

    /// A person's rights in an organisation, none included.
    ///
    /// # Errors
    /// Database failures.
    pub async fn of_user(
        conn: &mut AsyncPgConnection,
        user: Uuid,
        superuser: bool,
        organization: Uuid,
    ) -> Result<Self, ApiError> {
        let found = crate::member::store::find_roles(conn, user, organization).await?;
        let roles = found.unwrap_or_default();
        Ok(Self {
            member: found.is_some(),
            superuser,
            clinic_role: roles.clinic_role,
            content_role: roles.content_role,
        })
    }

    /// 403 unless clinic admin.
    ///
    /// # Errors
    /// 403.
    pub fn require_clinic_admin(&self) -> Result<(), ApiError> {
        if self.is_clinic_admin() {
            Ok(())
        } else {
            Err(ApiError::permission_denied())
        }
    }

    /// 403 unless admin.
    ///
    /// # Errors
    /// 403.
    pub fn require_admin(&self) -> Result<(), ApiError> {
        if self.is_admin() {
            Ok(())
        } else {
            Err(ApiError::permission_denied())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(role: ContentRole) -> Rights {
        Rights {
            member: true,
            content_role: Some(role),
            ..Rights::default()
        }
    }

    #[test]
    fn test_is_organization_admin() {
        assert!(content(ContentRole::Admin).is_admin());
        assert!(!content(ContentRole::Editor).is_admin());
        assert!(!Rights::default().is_admin());
        assert!(
            Rights {
                member: true,
                clinic_role: Some(ClinicRole::Admin),
                ..Rights::default()
            }
            .is_admin()
        );
        assert!(!content(ContentRole::Admin).is_clinic_admin());
    }

    #[test]
    fn test_is_organization_member() {
        for role in ContentRole::ALL {
            assert!(content(*role).is_member());
        }
        assert!(!Rights::default().is_member());
        assert!(
            Rights {
                superuser: true,
                ..Rights::default()
            }
            .is_member()
        );
    }
}
