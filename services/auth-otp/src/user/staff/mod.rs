//! CIMEF's users page: the staff of a clinic, kept by its admins (cimef.md 2.1 and 5).
//!
//! What always holds: an admin sees the members of the clinic the session works in, a superuser everybody, others
//! themselves; what is out of sight is 404. An admin sets password, names and phone only of accounts that the clinic
//! itself made (`managed_by`), so belonging to a clinic never hands one's account over; of others the admin changes the
//! role, or suspends the membership. Only a superuser grants or touches `superuser`. Nobody disables, deletes or
//! promotes themselves. Nothing is cascaded: a deleted account stays as a closed row that records may name.

mod change;
mod create;
pub mod dto;
mod fields;
mod french;
pub mod http;
mod remove;
pub(crate) mod store;

use common_types::AccessClaims;
use diesel_async::AsyncPgConnection;
use service_http::ApiError;
use uuid::Uuid;

use crate::organization::Rights;
use store::{Sight, StaffRow};

/// Whom the caller sees, and whether they may change what they see.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Desk {
    /// The clinic the session works in.
    pub(crate) organization: Option<Uuid>,
    /// Whom the caller sees.
    pub(crate) sight: Sight,
    /// Runs the clinic, or is superuser.
    pub(crate) admin: bool,
    /// Platform-wide superuser.
    pub(crate) superuser: bool,
}

impl Desk {
    /// From the rows of this moment, not from the token's roles.
    ///
    /// # Errors
    /// Database failures.
    pub(crate) async fn of(
        conn: &mut AsyncPgConnection,
        caller: &AccessClaims,
    ) -> Result<Self, ApiError> {
        let rights = match caller.org {
            Some(organization) => Rights::in_organization(conn, caller, organization).await?,
            None => Rights {
                superuser: caller.superuser,
                ..Rights::default()
            },
        };
        let sight = match caller.org {
            _ if caller.superuser => Sight::Everybody,
            Some(organization) if rights.is_clinic_admin() => Sight::Clinic(organization),
            _ => Sight::Oneself,
        };
        Ok(Self {
            organization: caller.org,
            sight,
            admin: rights.is_clinic_admin(),
            superuser: caller.superuser,
        })
    }

    /// Somebody in sight, else 404.
    ///
    /// # Errors
    /// 404; database failures.
    pub(crate) async fn find(
        &self,
        conn: &mut AsyncPgConnection,
        caller: &AccessClaims,
        number: i64,
    ) -> Result<StaffRow, ApiError> {
        store::find_staff(conn, self.sight, caller.sub, self.organization, number)
            .await?
            .ok_or_else(|| ApiError::no_match("auth.user_missing", "User"))
    }
}
