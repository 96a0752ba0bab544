//! The whole HTTP map. Paths are registered without their final slash; both forms reach them.

use actix_web::web::{self, ServiceConfig};

use crate::login::{chelseru, contexor, staff};
use crate::session::{http as sessions, revocation};
use crate::state::AppState;
use crate::user::{http as users, internal as internal_users};
use crate::{api_key, client, code, key, member, organization, workspace};

pub(crate) fn configure(config: &mut ServiceConfig, state: AppState) {
    let numbered = |path: &str| web::resource(format!("{path}/{{id}}"));
    config
        .app_data(web::Data::new(state))
        // Login
        .service(web::resource("/api/auth/otp/request").post(contexor::request_otp))
        .service(web::resource("/api/auth/otp/verify").post(contexor::verify_otp))
        .service(web::resource("/api/otp/send").post(chelseru::send_otp))
        .service(web::resource("/api/authenticate").post(chelseru::authenticate))
        .service(web::resource("/api/auth/token").post(staff::create_staff_token))
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
