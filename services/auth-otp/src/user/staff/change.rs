//! Changing an account: its data, its role, whether it is open.

use common_types::AccessClaims;
use common_types::internal::auth::Revocation;
use diesel_async::AsyncPgConnection;
use serde_json::{Map, Value, json};
use service_audit::{ActorKind, AuditEntry};
use service_http::ApiError;

use super::create::role_word;
use super::fields::{self, Given, Role};
use super::store::{self, AccountChanges, StaffRow};
use super::{Desk, french};
use crate::alert::{self, Alert};
use crate::member::actions::note_doctor;
use crate::member::service::{self as membership, Roles};
use crate::member::store as members;
use crate::organization::Rights;
use crate::second_factor;
use crate::session::revocation;
use crate::state::AppState;
use crate::user::{service, store as users};

/// Changes any subset of an account. A closed account's sessions and tokens end at once, as they do with a new password;
/// with another role the tokens end.
///
/// # Errors
/// 400 by field or for what nobody does to themselves, 403, 404, 409 for the last admin; database failures.
pub(super) async fn change(
    state: &AppState,
    caller: &AccessClaims,
    number: i64,
    body: &Map<String, Value>,
) -> Result<(StaffRow, Desk), ApiError> {
    let mut conn = state.stack.db.get().await?;
    let desk = Desk::of(&mut conn, caller).await?;
    let target = desk.find(&mut conn, caller, number).await?;
    if !desk.admin {
        return Err(french::denied());
    }
    let given = fields::read(body, false)?;
    let plan = Plan::new(&desk, caller, &target, &given)?;
    if let Some(Some(username)) = &plan.account.username
        && users::find_user_by_username(&mut conn, username)
            .await?
            .is_some_and(|user| user.id != target.user.id)
    {
        return Err(ApiError::invalid().field("username", french::USERNAME_TAKEN));
    }
    if let Some(Some(phone)) = &plan.account.phone
        && users::find_user_by_phone(&mut conn, phone).await?.is_some()
    {
        return Err(ApiError::invalid().field("phone_number", french::PHONE_TAKEN));
    }
    drop(conn);
    let mut account = plan.account.clone();
    let names = [&*target.handle(), &*target.user.email];
    if let Some(hash) = fields::hashed(state, &given, &names).await? {
        account.password_hash = Some(Some(hash));
        account.password_failures = Some(0);
    }
    let now = state.now();
    let ended = state
        .stack
        .db
        .transaction(
            async |conn: &mut AsyncPgConnection| -> Result<Vec<Revocation>, ApiError> {
                let mut ended = Vec::new();
                still_admin(conn, &desk, caller).await?;
                if account != AccountChanges::default() {
                    let user = store::update_account(conn, target.user.id, &account, now)
                        .await
                        .map_err(taken)?;
                    service::tell(conn, &user, now).await?;
                }
                plan.apply_to_membership(conn, &desk, caller, &target, &given, now)
                    .await?;
                let entry = AuditEntry::new(caller.sub, ActorKind::User, "user.changed", now)
                    .subject("user", target.user.id)
                    .organization(desk.organization)
                    .origin(None, service_telemetry::current_request_id())
                    .details(json!({
                        "role": plan.role.map(role_word),
                        "is_active": plan.is_active,
                        "password": given.password.is_some(),
                        "account": plan.account != AccountChanges::default(),
                    }));
                service_audit::record(conn, entry).await?;
                let user = target.user.id;
                if given.password.is_some() {
                    second_factor::store::end_challenges(conn, user, now).await?;
                    alert::insert(conn, &target.user, Alert::PasswordChanged, now).await?;
                }
                if plan.closes_account() || given.password.is_some() {
                    let but = (user == caller.sub).then_some(caller.sid);
                    let reason = if plan.closes_account() {
                        "account_closed"
                    } else {
                        "password_changed"
                    };
                    ended =
                        revocation::end_sessions_of(conn, state, user, but, reason, now).await?;
                }
                if plan.changes_rights() {
                    ended.push(revocation::end_tokens_of(conn, state, user, now).await?);
                }
                Ok(ended)
            },
        )
        .await?;
    state.stack.outbox.wake();
    revocation::announce(state, &ended);
    let mut conn = state.stack.db.get().await?;
    let row = desk.find(&mut conn, caller, number).await?;
    Ok((row, desk))
}

/// What is going to change, decided before anything does.
#[derive(Debug, Default)]
struct Plan {
    account: AccountChanges,
    /// The role, when it is another.
    role: Option<Role>,
    /// The state, when it is another.
    is_active: Option<bool>,
    /// Whether the state is the account's own or the membership's.
    owns_account: bool,
}

impl Plan {
    fn new(
        desk: &Desk,
        caller: &AccessClaims,
        target: &StaffRow,
        given: &Given,
    ) -> Result<Self, ApiError> {
        let user = &target.user;
        let oneself = user.id == caller.sub;
        let managed = user.managed_by.is_some() && user.managed_by == desk.organization;
        let owns_account = desk.superuser || managed;
        let role = given.role.filter(|role| role_word(*role) != target.role());
        let is_active = given
            .is_active
            .filter(|wanted| *wanted != target.is_active());
        if oneself && (role.is_some() || is_active.is_some()) {
            return Err(french::not_oneself());
        }
        if (role == Some(Role::Superuser) || user.is_superuser) && !desk.superuser {
            return Err(french::denied());
        }
        let mut account = personal(target, given);
        // A phone is a login: whoever has proved one changes it by codes to both numbers.
        if account.phone.is_some() && user.phone.is_some() && !desk.superuser {
            return Err(ApiError::invalid().field("phone_number", french::PHONE_STAYS));
        }
        let personal = account != AccountChanges::default() || given.password.is_some();
        if personal && !owns_account && !oneself {
            return Err(french::not_managed());
        }
        if owns_account {
            account.is_active = is_active;
        }
        if role.is_some() {
            let superuser = role == Some(Role::Superuser);
            account.is_superuser = (superuser != user.is_superuser).then_some(superuser);
        }
        Ok(Self {
            account,
            role,
            is_active,
            owns_account,
        })
    }

    fn closes_account(&self) -> bool {
        self.owns_account && self.is_active == Some(false)
    }

    fn changes_rights(&self) -> bool {
        self.role.is_some() || self.is_active.is_some()
    }

    async fn apply_to_membership(
        &self,
        conn: &mut AsyncPgConnection,
        desk: &Desk,
        caller: &AccessClaims,
        target: &StaffRow,
        given: &Given,
        now: chrono::DateTime<chrono::Utc>,
    ) -> Result<(), ApiError> {
        let Some(organization) = desk.organization else {
            return Ok(());
        };
        let before = Roles {
            clinic_role: target
                .clinic_role
                .as_deref()
                .and_then(|role| role.parse().ok()),
            content_role: target
                .content_role
                .as_deref()
                .and_then(|role| role.parse().ok()),
        };
        let after = match self.role {
            Some(Role::Clinic(role)) => Roles {
                clinic_role: Some(role),
                ..before
            },
            Some(Role::Superuser) | None => before,
        };
        let member = match target.membership_id {
            Some(member) => {
                if before != after {
                    membership::change_roles(conn, member, organization, after, now).await?;
                }
                member
            }
            None if before != after => {
                membership::join(conn, organization, target.user.id, after, now).await?
            }
            None => return Ok(()),
        };
        // Of an account that others keep, and when it opens again, the membership follows.
        if let Some(is_active) = self.is_active
            && target.membership_active.is_some_and(|now| now != is_active)
            && (is_active || !self.owns_account)
        {
            membership::change_active(conn, member, organization, is_active, now).await?;
        }
        let license = given
            .license_number
            .as_deref()
            .filter(|number| *number != target.license_number);
        note_doctor(conn, member, before, after, license, caller.sub, now).await
    }
}

/// What differs of the data that belongs to the person; the page sends unchanged values too.
fn personal(target: &StaffRow, given: &Given) -> AccountChanges {
    let user = &target.user;
    let differs =
        |given: &Option<String>, before: &str| given.clone().filter(|text| text != before);
    let first_name = differs(&given.first_name, &user.first_name);
    let last_name = differs(&given.last_name, &user.last_name);
    let full_name = (first_name.is_some() || last_name.is_some()).then(|| {
        let first = first_name.as_deref().unwrap_or(&user.first_name);
        let last = last_name.as_deref().unwrap_or(&user.last_name);
        format!("{first} {last}").trim().to_owned()
    });
    AccountChanges {
        username: differs(&given.username, &target.handle()).map(Some),
        phone: given
            .phone
            .clone()
            .filter(|phone| *phone != user.phone)
            .map(|phone| phone.map(|phone| phone.e164().to_owned())),
        email: differs(&given.email, &user.email),
        full_name,
        first_name,
        last_name,
        department: differs(&given.department, &user.department),
        ..AccountChanges::default()
    }
}

/// The caller's right once more, behind the clinic's lock: two admins cannot close each other's accounts at once.
pub(super) async fn still_admin(
    conn: &mut AsyncPgConnection,
    desk: &Desk,
    caller: &AccessClaims,
) -> Result<(), ApiError> {
    let Some(organization) = desk.organization else {
        return Ok(());
    };
    members::lock_members(conn, organization).await?;
    let rights = Rights::in_organization(conn, caller, organization).await?;
    let open = users::find_user(conn, caller.sub)
        .await?
        .is_some_and(|user| user.is_active);
    if rights.is_clinic_admin() && open {
        Ok(())
    } else {
        Err(french::denied())
    }
}

fn taken(error: diesel::result::Error) -> ApiError {
    match service_db::violated(&error) {
        Some("users_username_key") => ApiError::invalid().field("username", french::USERNAME_TAKEN),
        Some("users_phone_key") => ApiError::invalid().field("phone_number", french::PHONE_TAKEN),
        Some("users_reachable") => ApiError::invalid().field("username", french::REQUIRED),
        _ => ApiError::from(error),
    }
}
