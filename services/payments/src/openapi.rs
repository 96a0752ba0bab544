//! The API document of payments.

use utoipa::{
    Modify, OpenApi,
    openapi::{
        OpenApi as ApiDocument,
        security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    },
};

use crate::{chelseru, clinic, ledger, payment, payout, reconciliation, refund, wallet};

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
        wallet::pay_http::pay_from_wallet,
        wallet::pay_http::pay_invoice_from_wallet,
        wallet::pay_http::show_top_up,
        wallet::pay_http::set_top_up,
        wallet::pay_http::remove_top_up,
        payment::http::actions::sync_payment,
        payment::http::actions::cancel_payment,
        payment::http::actions::print_receipt,
        clinic::http::list_paid_not_reported,
        clinic::http::list_reported_not_paid,
        chelseru::http::create_chelseru_payment,
        chelseru::verify::verify_chelseru_payment,
        chelseru::verify::verify_chelseru_form,
        refund::http::create_refund,
        refund::http::list_refunds,
        refund::http::show_refund,
        refund::http::approve_refund,
        refund::http::reject_refund,
        ledger::http::list_ledger_accounts,
        ledger::http::show_trial_balance,
        ledger::http::show_statement,
        payout::http::record_payout,
        payout::http::list_payouts,
        reconciliation::http::list_exceptions,
        reconciliation::http::resolve_exception,
        reconciliation::http::show_reconciliation,
        reconciliation::http::run_reconciliation,
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
