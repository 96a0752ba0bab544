//! Making an account for a member of staff.

use common_types::{AccessClaims, ClinicRole};
use diesel_async::AsyncPgConnection;
use serde_json::{Map, Value, json};
use service_audit::{ActorKind, AuditEntry};
use service_http::ApiError;
use uuid::Uuid;

use super::fields::{self, Role};
use super::store::{self, AccountChanges, StaffRow};
use super::{Desk, french};
use crate::member::actions::note_doctor;
use crate::member::service::{Roles, join};
use crate::organization::store as organizations;
use crate::state::AppState;
use crate::user::store::{self as users, NewUser};
use crate::user::{User, service};

/// Makes an account that the clinic manages; its admins and superusers. A phone that already has an account is refused:
/// its owner is invited instead, so that nobody gets a password to somebody else's account.
///
/// # Errors
/// 400 by field, 403; database failures.
pub(super) async fn create(
    state: &AppState,
    caller: &AccessClaims,
    body: &Map<String, Value>,
) -> Result<(StaffRow, Option<Uuid>), ApiError> {
    let mut conn = state.stack.db.get().await?;
    let desk = Desk::of(&mut conn, caller).await?;
    if !desk.admin {
        return Err(french::denied());
    }
    let given = fields::read(body, true)?;
    let role = given.role.unwrap_or(Role::Clinic(ClinicRole::Secretary));
    if role == Role::Superuser && !desk.superuser {
        return Err(french::denied());
    }
    let organization = match given.organization.filter(|_| desk.superuser) {
        Some(number) => organizations::find_organization(&mut conn, number)
            .await?
            .map(|row| row.id),
        None => desk.organization,
    };
    if organization.is_none() && role != Role::Superuser {
        return Err(ApiError::invalid().field("organization", french::REQUIRED));
    }
    let username = given.username.clone().unwrap_or_default();
    let phone = given.phone.clone().flatten();
    if users::find_user_by_username(&mut conn, &username)
        .await?
        .is_some()
    {
        return Err(ApiError::invalid().field("username", french::USERNAME_TAKEN));
    }
    if let Some(phone) = &phone
        && users::find_user_by_phone(&mut conn, phone.e164())
            .await?
            .is_some()
    {
        return Err(ApiError::invalid().field("phone_number", french::PHONE_TAKEN));
    }
    drop(conn);
    let email = given.email.as_deref().unwrap_or_default();
    let password_hash = fields::hashed(state, &given, &[&username, email]).await?;
    let now = state.now();
    let (first_name, last_name) = (
        given.first_name.clone().unwrap_or_default(),
        given.last_name.clone().unwrap_or_default(),
    );
    let new = NewUser {
        id: Uuid::now_v7(),
        phone: phone.as_ref().map(|phone| phone.e164().to_owned()),
        username: Some(username),
        password_hash,
        full_name: format!("{first_name} {last_name}").trim().to_owned(),
        first_name,
        last_name,
        language: caller.lang.as_str().to_owned(),
        is_superuser: role == Role::Superuser,
        created_at: now,
        updated_at: now,
    };
    let rest = AccountChanges {
        email: given.email.clone(),
        department: given.department.clone(),
        is_active: given.is_active,
        managed_by: Some(organization.filter(|_| role != Role::Superuser)),
        ..AccountChanges::default()
    };
    let actor = caller.sub;
    let user = state
        .stack
        .db
        .transaction(
            async |conn: &mut AsyncPgConnection| -> Result<User, ApiError> {
                let taken = || ApiError::invalid().field("username", french::USERNAME_TAKEN);
                let user = service::register(conn, &new, now)
                    .await?
                    .ok_or_else(taken)?;
                let user = store::update_account(conn, user.id, &rest, now).await?;
                service::tell(conn, &user, now).await?;
                if let (Role::Clinic(clinic_role), Some(organization)) = (role, organization) {
                    let roles = Roles {
                        clinic_role: Some(clinic_role),
                        content_role: None,
                    };
                    let member = join(conn, organization, user.id, roles, now).await?;
                    let license = given.license_number.as_deref();
                    note_doctor(conn, member, Roles::default(), roles, license, actor, now).await?;
                }
                let entry = AuditEntry::new(actor, ActorKind::User, "user.created", now)
                    .subject("user", user.id)
                    .organization(organization)
                    .origin(None, service_telemetry::current_request_id())
                    .details(json!({"role": role_word(role)}));
                service_audit::record(conn, entry).await?;
                Ok(user)
            },
        )
        .await?;
    state.stack.outbox.wake();
    let mut conn = state.stack.db.get().await?;
    let desk = Desk {
        organization,
        ..desk
    };
    let row = desk.find(&mut conn, caller, user.number).await?;
    Ok((row, organization))
}

pub(super) fn role_word(role: Role) -> &'static str {
    match role {
        Role::Superuser => "superuser",
        Role::Clinic(role) => role.as_str(),
    }
}
