//! The API document of payments.

use utoipa::{
    Modify, OpenApi,
    openapi::{
        OpenApi as ApiDocument,
        security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    },
};

use crate::{payment, wallet};

#[derive(OpenApi)]
#[openapi(
    info(title = "payments", description = "Online payments, wallets and the ledger."),
    paths(
        payment::http::crazyminer::create_soapify_payment,
        payment::http::crazyminer::create_wallet_charge,
        payment::http::crazyminer::receive_callback,
        payment::http::crazyminer::show_payment_status,
        payment::http::crazyminer::list_own_payments,
        payment::http::v1::create_payment,
        payment::http::v1::list_payments,
        payment::http::v1::show_payment,
        payment::http::browser::return_from_provider,
        payment::http::browser::return_by_form,
        wallet::http::show_wallet,
        wallet::http::list_wallet_entries,
    ),
    modifiers(&Bearer)
)]
struct Document;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut ApiDocument) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("JWT")
            .build();
        document
            .components
            .get_or_insert_with(Default::default)
            .add_security_scheme("bearer", SecurityScheme::Http(scheme));
        document.security = Some(vec![SecurityRequirement::new(
            "bearer",
            Vec::<String>::new(),
        )]);
    }
}

pub(crate) fn document() -> ApiDocument {
    Document::openapi()
}
