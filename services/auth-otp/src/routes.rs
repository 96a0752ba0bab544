//! The whole HTTP map. Paths are registered without their final slash; both forms reach them.

use actix_web::web::{self, ServiceConfig};

use crate::api_key::manage;
use crate::login::{chelseru, contexor, reproof, staff};
use crate::password::{change, method, reset};
use crate::phone_change::http as phones;
use crate::second_factor::{self, http as factor};
use crate::session::{audit, http as sessions, revocation};
use crate::state::AppState;
use crate::user::staff::http as staff_users;
use crate::user::{http as users, internal as internal_users};
use crate::{
    api_key, client, code, invitation, key, member, notification, organization, recovery, shield,
    step_up, workspace,
};

pub(crate) fn configure(config: &mut ServiceConfig, state: AppState) {
    let numbered = |path: &str| web::resource(format!("{path}/{{id}}"));
    config
        .app_data(web::Data::new(state))
        .configure(crate::v1::configure)
        .configure(crate::console::configure)
        // Login
        .service(web::resource("/api/auth/otp/request").post(contexor::request_otp))
        .service(web::resource("/api/auth/otp/verify").post(contexor::verify_otp))
        .service(web::resource("/api/otp/send").post(chelseru::send_otp))
        .service(web::resource("/api/authenticate").post(chelseru::authenticate))
        .service(web::resource("/api/auth/otp/call").post(contexor::call_otp))
        .service(web::resource("/api/otp/call").post(chelseru::call_otp))
        .service(web::resource("/api/auth/otp/reproof").post(reproof::request_reproof))
        .service(web::resource("/api/auth/otp/reproof/verify").post(reproof::verify_reproof))
        .service(web::resource("/api/auth/token").post(staff::create_staff_token))
        .service(web::resource("/api/register").post(method::register))
        .service(web::resource("/api/login").post(method::login))
        .service(web::resource("/api/auth/password/change").post(change::change_password))
        .service(
            web::resource("/api/auth/password/reset/request").post(reset::request_password_reset),
        )
        .service(
            web::resource("/api/auth/password/reset/confirm").post(reset::confirm_password_reset),
        )
        // Second factor and step-up
        .service(web::resource("/api/auth/second-factor").get(factor::get_second_factor))
        .service(web::resource("/api/auth/second-factor/enrol").post(factor::enrol_second_factor))
        .service(
            web::resource("/api/auth/second-factor/confirm").post(factor::confirm_second_factor),
        )
        .service(
            web::resource("/api/auth/second-factor/disable").post(factor::disable_second_factor),
        )
        .service(
            web::resource("/api/auth/second-factor/recovery-codes")
                .post(factor::create_recovery_codes),
        )
        .service(
            web::resource("/api/auth/second-factor/verify")
                .post(second_factor::verify::verify_second_factor),
        )
        .service(web::resource("/api/auth/step-up/request").post(step_up::http::request_step_up))
        .service(web::resource("/api/auth/step-up/verify").post(step_up::http::verify_step_up))
        .service(web::resource("/api/auth/phone-change/request").post(phones::request_phone_change))
        .service(web::resource("/api/auth/phone-change/confirm").post(phones::confirm_phone_change))
        .service(web::resource("/api/auth/recovery/codes").post(recovery::http::create_recovery))
        .service(web::resource("/api/auth/recovery").post(recovery::http::use_recovery))
        .service(web::resource("/api/auth/audit").get(audit::list_own_events))
        .service(
            web::resource("/api/auth/api-keys")
                .get(manage::list_api_keys)
                .post(manage::create_api_key),
        )
        .service(
            numbered("/api/auth/api-keys")
                .get(manage::get_api_key)
                .patch(manage::update_api_key)
                .delete(manage::delete_api_key),
        )
        .service(web::resource("/api/auth/api-keys/{id}/rotate").post(manage::rotate_api_key))
        // Sessions
        .service(web::resource("/api/auth/token/refresh").post(sessions::refresh_token))
        .service(web::resource("/api/auth/logout").post(sessions::logout))
        .service(
            web::resource("/api/sessions")
                .get(sessions::list_sessions)
                .delete(sessions::delete_other_sessions),
        )
        .service(numbered("/api/sessions").delete(sessions::delete_session))
        // People and organisations
        .service(
            web::resource("/api/auth/me")
                .get(users::get_me)
                .patch(users::update_me),
        )
        .service(
            web::resource("/api/auth/organizations")
                .get(organization::http::list_organizations)
                .post(organization::http::create_organization),
        )
        .service(
            numbered("/api/auth/organizations")
                .get(organization::http::get_organization)
                .patch(organization::http::update_organization)
                .put(organization::http::update_organization)
                .delete(organization::http::delete_organization),
        )
        .service(
            web::resource("/api/auth/organization-members")
                .get(member::http::list_members)
                .post(member::http::create_member),
        )
        .service(
            numbered("/api/auth/organization-members")
                .get(member::http::get_member)
                .patch(member::http::update_member)
                .put(member::http::update_member)
                .delete(member::http::delete_member),
        )
        .service(
            web::resource("/api/auth/workspaces")
                .get(workspace::http::list_workspaces)
                .post(workspace::http::create_workspace),
        )
        .service(
            numbered("/api/auth/workspaces")
                .get(workspace::http::get_workspace)
                .patch(workspace::http::update_workspace)
                .put(workspace::http::update_workspace)
                .delete(workspace::http::delete_workspace),
        )
        // Shield
        .service(web::resource("/api/admin/auth-otp/shield").get(shield::http::show_shield))
        .service(
            web::resource("/api/admin/auth-otp/shield/switches/{scope}")
                .put(shield::http::set_switch)
                .delete(shield::http::lift_switch),
        )
        .service(
            web::resource("/api/admin/auth-otp/shield/blocks")
                .get(shield::block_http::list_blocks)
                .post(shield::block_http::create_block),
        )
        .service(
            web::resource("/api/admin/auth-otp/shield/blocks/{id}")
                .delete(shield::block_http::delete_block),
        )
        .service(
            web::resource("/api/admin/auth-otp/phones/unlock").post(shield::http::unlock_phone),
        )
        .service(
            web::resource("/api/auth/invitations")
                .get(invitation::http::list_invitations)
                .post(invitation::http::create_invitation),
        )
        .service(
            web::resource("/api/auth/invitations/mine").get(invitation::http::list_own_invitations),
        )
        .service(numbered("/api/auth/invitations").get(invitation::http::get_invitation))
        .service(
            web::resource("/api/auth/invitations/{id}/resend")
                .post(invitation::http::resend_invitation),
        )
        .service(
            web::resource("/api/auth/invitations/{id}/revoke")
                .post(invitation::http::revoke_invitation),
        )
        .service(
            web::resource("/api/auth/invitations/{id}/accept")
                .post(invitation::http::accept_invitation),
        )
        .service(
            web::resource("/api/auth/invitations/{id}/decline")
                .post(invitation::http::decline_invitation),
        )
        // CIMEF's users page and bell
        .service(web::resource("/api/auth/users/me").get(users::get_me))
        .service(
            web::resource("/api/auth/users")
                .get(staff_users::list_users)
                .post(staff_users::create_user),
        )
        .service(
            numbered("/api/auth/users")
                .get(staff_users::show_user)
                .patch(staff_users::update_user)
                .put(staff_users::update_user)
                .delete(staff_users::delete_user),
        )
        .service(web::resource("/api/auth/users/{id}/activate").post(staff_users::activate_user))
        .service(
            web::resource("/api/auth/users/{id}/deactivate").post(staff_users::deactivate_user),
        )
        .service(
            web::resource("/api/auth/notifications").get(notification::http::list_notifications),
        )
        .service(
            web::resource("/api/auth/notifications/read-all")
                .post(notification::http::read_all_notifications),
        )
        .service(
            web::resource("/api/auth/notifications/{id}/read")
                .post(notification::http::read_notification),
        )
        // Machines
        .service(web::resource("/api/auth/oauth/token").post(client::http::create_service_token))
        .service(web::resource("/.well-known/jwks.json").get(key::http::get_jwks))
        // Internal: a service token opens them, the gateway routes none
        .service(web::resource("/internal/revocations").get(revocation::list_revocations))
        .service(
            web::resource("/internal/api-keys/introspect").post(api_key::http::introspect_api_key),
        )
        .service(web::resource("/internal/codes").post(code::http::send_code))
        .service(web::resource("/internal/codes/{id}/verify").post(code::http::verify_code))
        .service(
            web::resource("/internal/users/by-phone/{phone}")
                .get(internal_users::get_user_by_phone),
        )
        .service(web::resource("/internal/users/{id}").get(internal_users::get_user));
}
