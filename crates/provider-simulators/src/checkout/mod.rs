//! What the simulators of payment vendors share: sessions that a payer pays or declines on a hosted page, kept in a
//! journal, and faults that make a vendor fail, wait or lie. Each vendor's own words are in its own file.

pub(crate) mod hosted;
mod model;
pub(crate) mod payping;
mod store;
pub(crate) mod stripe;
pub(crate) mod wave;
pub(crate) mod zarinpal;

pub use model::{Faults, Session, SessionRefund, SessionState};
pub use store::Checkout;
pub(crate) use store::{NewSession, Replay};

use actix_web::{HttpResponse, web};

use crate::server::Simulators;

/// The key that every one of these simulators accepts.
pub(crate) fn key(state: &Simulators) -> &str {
    &state.options.checkout_api_key
}

/// The faults that are due for one call: waits, and answers what must be said instead, if anything.
pub(crate) async fn stumble(checkout: &Checkout) -> Option<HttpResponse> {
    let fault = checkout.next_fault();
    if fault.delay_ms > 0 {
        tokio::time::sleep(std::time::Duration::from_millis(fault.delay_ms)).await;
    }
    if fault.fail_calls > 0 {
        return Some(HttpResponse::InternalServerError().body("upstream connect error"));
    }
    (fault.garble_calls > 0).then(|| {
        HttpResponse::Ok()
            .content_type("text/html; charset=utf-8")
            .body("<html><body>maintenance</body></html>")
    })
}

/// `PUT /dev/{vendor}/faults/`.
async fn set_faults(
    vendor: web::Path<String>,
    faults: web::Json<Faults>,
    state: web::Data<Simulators>,
) -> HttpResponse {
    match state.checkout(&vendor) {
        Some(checkout) => {
            checkout.set_faults(faults.into_inner());
            HttpResponse::Ok().json(checkout.faults())
        }
        None => HttpResponse::NotFound().finish(),
    }
}

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config.route(
        "/dev/{vendor:zarinpal|payping|stripe|wave}/faults/",
        web::put().to(set_faults),
    );
    zarinpal::routes(config);
    payping::routes(config);
    stripe::routes(config);
    wave::routes(config);
}
