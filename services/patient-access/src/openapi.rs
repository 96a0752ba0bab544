//! The API document of patient-access.

use utoipa::{
    Modify, OpenApi,
    openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
};

use crate::{access_request, grant, patient_data};

#[derive(OpenApi)]
#[openapi(
    info(title = "patient-access", description = "A doctor sees a patient's latest summary after the patient consents."),
    paths(
        access_request::http::create_request,
        access_request::http::verify_request,
        access_request::http::list_requests,
        patient_data::http::show_patient_data,
        grant::http::list_grants,
        grant::http::revoke_grant,
    ),
    modifiers(&Security),
    tags((name = "patient-access", description = "Consent by one-time code; the CrazyMiner flow."))
)]
struct Document;

struct Security;

impl Modify for Security {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("JWT")
            .build();
        openapi
            .components
            .get_or_insert_default()
            .add_security_scheme("access_token", SecurityScheme::Http(scheme));
    }
}

/// The document.
pub(crate) fn document() -> utoipa::openapi::OpenApi {
    Document::openapi()
}
