//! The tree's HTTP map and its part of the API document.

use actix_web::middleware::from_fn;
use actix_web::web::{self, ServiceConfig};
use utoipa::OpenApi;

use super::{auth, envelope, members, organizations, people, workspaces};

pub(crate) fn configure(config: &mut ServiceConfig) {
    let tree = web::scope("/api/v1")
        .wrap(from_fn(envelope::wrap))
        .service(web::resource("/auth/otp/request").post(auth::request_otp))
        .service(web::resource("/auth/otp/verify").post(auth::verify_otp))
        .service(web::resource("/auth/token/refresh").post(auth::refresh_token))
        .service(web::resource("/auth/logout").post(auth::logout))
        .service(
            web::resource("/users/me")
                .get(people::get_me)
                .patch(people::update_me),
        )
        .service(
            web::resource("/organizations")
                .get(organizations::list_organizations)
                .post(organizations::create_organization),
        )
        .service(
            web::resource("/organizations/{id}")
                .get(organizations::get_organization)
                .patch(organizations::update_organization)
                .delete(organizations::delete_organization),
        )
        .service(
            web::resource("/organizations/{id}/workspaces")
                .get(workspaces::list_workspaces)
                .post(workspaces::create_workspace),
        )
        .service(
            web::resource("/organizations/{id}/workspaces/{workspace}")
                .get(workspaces::get_workspace)
                .patch(workspaces::update_workspace)
                .delete(workspaces::delete_workspace),
        )
        .service(
            web::resource("/organizations/{id}/members")
                .get(members::list_members)
                .post(members::create_member),
        )
        .service(
            web::resource("/organizations/{id}/members/{member}")
                .patch(members::update_member)
                .delete(members::delete_member),
        );
    config.service(tree);
}

/// What the tree adds to the service's API document.
#[derive(OpenApi)]
#[openapi(paths(
    auth::request_otp,
    auth::verify_otp,
    auth::refresh_token,
    auth::logout,
    people::get_me,
    people::update_me,
    organizations::list_organizations,
    organizations::create_organization,
    organizations::get_organization,
    organizations::update_organization,
    organizations::delete_organization,
    workspaces::list_workspaces,
    workspaces::create_workspace,
    workspaces::get_workspace,
    workspaces::update_workspace,
    workspaces::delete_workspace,
    members::list_members,
    members::create_member,
    members::update_member,
    members::delete_member,
))]
pub(crate) struct V1Document;
