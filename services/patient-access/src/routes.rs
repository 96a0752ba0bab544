//! The HTTP map of patient-access.

use actix_web::web::{self, ServiceConfig};
use common_types::Language;
use service_http::RouteLanguage;

use crate::{
    AppState, access_request::http as access_request, grant::http as grant,
    patient_data::http as data,
};

pub(crate) fn configure(config: &mut ServiceConfig, state: AppState) {
    config
        .app_data(web::Data::new(state))
        .app_data(RouteLanguage(Language::Fa))
        // P02–P04: CrazyMiner's flow (wire.md 2.1–2.3).
        .service(web::resource("/crazyminer/patient/request").post(access_request::create_request))
        .service(web::resource("/crazyminer/patient/verify").post(access_request::verify_request))
        .service(web::resource("/crazyminer/patient/data").get(data::show_patient_data))
        // What doctor and patient see of it, and the patient's word to end it.
        .service(web::resource("/crazyminer/patient/requests").get(access_request::list_requests))
        .service(web::resource("/crazyminer/patient/grants").get(grant::list_grants))
        .service(web::resource("/crazyminer/patient/revoke").post(grant::revoke_grant))
        // For the portal, where the patient sees who may see.
        .service(web::resource("/internal/grants").get(grant::list_grants_of_phone))
        .service(web::resource("/internal/grants/{grant}/revoke").post(grant::revoke_for_patient));
}
