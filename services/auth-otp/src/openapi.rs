//! The API document.

use utoipa::OpenApi;

/// The document of every public and internal route.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Tabib auth-otp",
        description = "Identity: codes, sessions, organisations, keys."
    ),
    paths(
        crate::login::contexor::request_otp,
        crate::login::contexor::verify_otp,
        crate::login::chelseru::send_otp,
        crate::login::chelseru::authenticate,
        crate::login::contexor::call_otp,
        crate::login::chelseru::call_otp,
        crate::login::reproof::request_reproof,
        crate::login::reproof::verify_reproof,
        crate::shield::http::show_shield,
        crate::shield::http::set_switch,
        crate::shield::http::lift_switch,
        crate::shield::block_http::list_blocks,
        crate::shield::block_http::create_block,
        crate::shield::block_http::delete_block,
        crate::shield::http::unlock_phone,
        crate::login::staff::create_staff_token,
        crate::password::method::register,
        crate::password::method::login,
        crate::password::change::change_password,
        crate::password::reset::request_password_reset,
        crate::password::reset::confirm_password_reset,
        crate::second_factor::http::get_second_factor,
        crate::second_factor::http::enrol_second_factor,
        crate::second_factor::http::confirm_second_factor,
        crate::second_factor::http::disable_second_factor,
        crate::second_factor::http::create_recovery_codes,
        crate::second_factor::verify::verify_second_factor,
        crate::phone_change::http::request_phone_change,
        crate::phone_change::http::confirm_phone_change,
        crate::recovery::http::create_recovery,
        crate::recovery::http::use_recovery,
        crate::session::audit::list_own_events,
        crate::api_key::manage::list_api_keys,
        crate::api_key::manage::create_api_key,
        crate::api_key::manage::get_api_key,
        crate::api_key::manage::update_api_key,
        crate::api_key::manage::delete_api_key,
        crate::api_key::manage::rotate_api_key,
        crate::step_up::http::request_step_up,
        crate::step_up::http::verify_step_up,
        crate::session::http::refresh_token,
        crate::session::http::logout,
        crate::session::http::list_sessions,
        crate::session::http::delete_session,
        crate::session::http::delete_other_sessions,
        crate::session::revocation::list_revocations,
        crate::user::http::get_me,
        crate::user::http::update_me,
        crate::user::staff::http::list_users,
        crate::user::staff::http::create_user,
        crate::user::staff::http::show_user,
        crate::user::staff::http::update_user,
        crate::user::staff::http::delete_user,
        crate::user::staff::http::activate_user,
        crate::user::staff::http::deactivate_user,
        crate::user::internal::get_user,
        crate::user::internal::get_user_by_phone,
        crate::organization::http::list_organizations,
        crate::organization::http::create_organization,
        crate::organization::http::get_organization,
        crate::organization::http::update_organization,
        crate::organization::http::delete_organization,
        crate::member::http::list_members,
        crate::member::http::create_member,
        crate::member::http::get_member,
        crate::member::http::update_member,
        crate::member::http::delete_member,
        crate::workspace::http::list_workspaces,
        crate::workspace::http::create_workspace,
        crate::workspace::http::get_workspace,
        crate::workspace::http::update_workspace,
        crate::workspace::http::delete_workspace,
        crate::invitation::http::list_invitations,
        crate::invitation::http::create_invitation,
        crate::invitation::http::get_invitation,
        crate::invitation::http::list_own_invitations,
        crate::invitation::http::resend_invitation,
        crate::invitation::http::revoke_invitation,
        crate::invitation::http::accept_invitation,
        crate::invitation::http::decline_invitation,
        crate::notification::http::list_notifications,
        crate::notification::http::read_notification,
        crate::notification::http::read_all_notifications,
        crate::client::http::create_service_token,
        crate::key::http::get_jwks,
        crate::api_key::http::introspect_api_key,
        crate::code::http::send_code,
        crate::code::http::verify_code,
    )
)]
struct Document;

/// The document.
#[must_use]
pub fn document() -> utoipa::openapi::OpenApi {
    let mut document = Document::openapi();
    document.merge(crate::v1::V1Document::openapi());
    document.merge(crate::console::ConsoleDocument::openapi());
    document
}
