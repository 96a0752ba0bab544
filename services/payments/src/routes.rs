//! The HTTP map of payments.

use actix_web::web::{self, ServiceConfig};
use common_types::Language;
use service_http::RouteLanguage;

use crate::{
    AppState,
    chelseru::{http as chelseru, verify},
    clinic::http as clinic,
    ledger::http as ledger,
    payment::http::{actions, browser, crazyminer, v1},
    payout::http as payout,
    reconciliation::http as reconciliation,
    refund::http as refund,
    wallet::{http as wallet, pay_http as pay},
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
        // Fixed words come before {id}.
        .service(
            web::resource("/api/v1/payments/paid-not-reported").get(clinic::list_paid_not_reported),
        )
        .service(
            web::resource("/api/v1/payments/reported-not-paid").get(clinic::list_reported_not_paid),
        )
        .service(web::resource("/api/v1/payments/{id}").get(v1::show_payment))
        .service(web::resource("/api/v1/payments/{id}/sync").post(actions::sync_payment))
        .service(web::resource("/api/v1/payments/{id}/cancel").post(actions::cancel_payment))
        .service(web::resource("/api/v1/payments/{id}/receipt.pdf").get(actions::print_receipt))
        .service(web::resource("/crazyminer/payment/{id}/sync").post(actions::sync_payment))
        .service(web::resource("/crazyminer/payment/{id}/receipt.pdf").get(actions::print_receipt))
        .service(web::resource("/api/v1/payments/{id}/refund").post(refund::create_refund))
        .service(web::resource("/crazyminer/payment/{id}/refund").post(refund::create_refund))
        // Refunds, and the second person's word.
        .service(web::resource("/api/v1/refunds").get(refund::list_refunds))
        .service(web::resource("/api/v1/refunds/{id}").get(refund::show_refund))
        .service(web::resource("/api/v1/refunds/{id}/approve").post(refund::approve_refund))
        .service(web::resource("/api/v1/refunds/{id}/reject").post(refund::reject_refund))
        // The accountants' books.
        .service(web::resource("/api/v1/ledger/accounts").get(ledger::list_ledger_accounts))
        .service(web::resource("/api/v1/ledger/trial-balance").get(ledger::show_trial_balance))
        .service(web::resource("/api/v1/ledger/statement").get(ledger::show_statement))
        .service(
            web::resource("/api/v1/payouts")
                .get(payout::list_payouts)
                .post(payout::record_payout),
        )
        // Fixed words come before {date}.
        .service(
            web::resource("/api/v1/reconciliation/exceptions").get(reconciliation::list_exceptions),
        )
        .service(
            web::resource("/api/v1/reconciliation/exceptions/{id}/resolve")
                .post(reconciliation::resolve_exception),
        )
        .service(
            web::resource("/api/v1/reconciliation/{date}").get(reconciliation::show_reconciliation),
        )
        .service(
            web::resource("/api/v1/reconciliation/{date}/run")
                .post(reconciliation::run_reconciliation),
        )
        .service(
            web::resource("/crazyminer/reconciliation/{date}")
                .get(reconciliation::show_reconciliation),
        )
        .service(web::resource("/api/v1/wallet").get(wallet::show_wallet))
        .service(web::resource("/api/v1/wallet/entries").get(wallet::list_wallet_entries))
        .service(web::resource("/crazyminer/wallet").get(wallet::show_wallet))
        .service(web::resource("/crazyminer/wallet/entries").get(wallet::list_wallet_entries))
        .service(web::resource("/api/v1/wallet/pay").post(pay::pay_from_wallet))
        .service(web::resource("/api/v1/wallet/pay-invoice").post(pay::pay_invoice_from_wallet))
        .service(
            web::resource("/api/v1/wallet/top-up")
                .get(pay::show_top_up)
                .put(pay::set_top_up)
                .delete(pay::remove_top_up),
        )
        // django-chelseru (wire.md 4.3).
        .service(web::resource("/api/payment/create").post(chelseru::create_chelseru_payment))
        .service(
            web::resource("/api/payment/verify")
                .get(verify::verify_chelseru_payment)
                .post(verify::verify_chelseru_form),
        );
}
