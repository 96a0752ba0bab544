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
        crate::login::staff::create_staff_token,
        crate::session::http::refresh_token,
        crate::session::http::logout,
        crate::session::http::list_sessions,
        crate::session::http::delete_session,
        crate::session::http::delete_other_sessions,
        crate::session::revocation::list_revocations,
        crate::user::http::get_me,
        crate::user::http::update_me,
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
    Document::openapi()
}
