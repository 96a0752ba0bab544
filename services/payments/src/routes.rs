//! The HTTP map of payments.

use actix_web::web::{self, ServiceConfig};
use common_types::Language;
use service_http::RouteLanguage;

use crate::{
    AppState,
    payment::http::{browser, crazyminer, v1},
    wallet::http as wallet,
};

pub(crate) fn configure(config: &mut ServiceConfig, state: AppState) {
    config
        .app_data(web::Data::new(state))
        // Payers of these routes read Persian unless they say otherwise.
        .app_data(RouteLanguage(Language::Fa))
        // Y01–Y07: CrazyMiner (wire.md 2.5, 2.6).
        .service(
            web::resource("/crazyminer/patient/soapify-payment")
                .post(crazyminer::create_soapify_payment),
        )
        .service(web::resource("/crazyminer/payment/create").post(crazyminer::create_wallet_charge))
        .service(web::resource("/crazyminer/payment/callback").post(crazyminer::receive_callback))
        .service(
            web::resource("/crazyminer/payment/status/{id}").get(crazyminer::show_payment_status),
        )
        .service(web::resource("/crazyminer/payment/list").get(crazyminer::list_own_payments))
        // Our own: invoices paid online, wallets.
        .service(
            web::resource("/api/v1/payments")
                .get(v1::list_payments)
                .post(v1::create_payment),
        )
        .service(
            web::resource("/api/v1/payments/return")
                .get(browser::return_from_provider)
                .post(browser::return_by_form),
        )
        .service(web::resource("/api/v1/payments/{id}").get(v1::show_payment))
        .service(web::resource("/api/v1/wallet").get(wallet::show_wallet))
        .service(web::resource("/api/v1/wallet/entries").get(wallet::list_wallet_entries));
}
