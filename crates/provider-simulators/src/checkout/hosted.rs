//! The page on which a payer decides, for every vendor.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
};
use serde::Deserialize;

use super::{
    model::{Session, SessionState},
    store::Checkout,
};
use crate::{
    sandbox::hosted::{page, words},
    server::Simulators,
};

/// `?lang=`.
#[derive(Deserialize)]
pub(crate) struct PageQuery {
    pub(crate) lang: Option<String>,
}

/// Shows a session; `amount` is in minor units of `currency`.
pub(crate) fn show(
    state: &Simulators,
    request: &HttpRequest,
    language: Option<&str>,
    session: Option<(&Session, i64, &str)>,
) -> HttpResponse {
    let words = words(request, language);
    let Some((session, amount, currency)) = session else {
        let unknown = page(words, None, "", "", "unknown", None);
        return state
            .pages
            .answer(StatusCode::NOT_FOUND, "pay.html", unknown);
    };
    let outcome = match session.state {
        SessionState::Open => "pending",
        SessionState::Paid => "paid",
        SessionState::Declined | SessionState::Expired | SessionState::Reversed => "failed",
    };
    let view = page(
        words,
        Some((amount, currency)),
        &session.order_id,
        &session.description,
        outcome,
        None,
    );
    state.pages.answer(StatusCode::OK, "pay.html", view)
}

/// Takes the payer's decision and sends the browser where `target` says.
pub(crate) fn decide(
    checkout: &Checkout,
    id: &str,
    decision: &str,
    reference: String,
    target: impl FnOnce(&Session) -> String,
) -> HttpResponse {
    match checkout.decide(id, decision == "approve", reference) {
        Ok(Some(session)) => HttpResponse::SeeOther()
            .insert_header((header::LOCATION, target(&session)))
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .finish(),
        Ok(None) => HttpResponse::NotFound().finish(),
        Err(error) => {
            tracing::error!(%error, "a payer's decision could not be stored");
            HttpResponse::ServiceUnavailable().finish()
        }
    }
}

/// An address with more parameters.
pub(crate) fn with_query(address: &str, pairs: &[(&str, &str)]) -> String {
    match url::Url::parse(address) {
        Ok(mut url) => {
            url.query_pairs_mut().extend_pairs(pairs);
            url.into()
        }
        Err(_) => address.to_owned(),
    }
}

/// Random letters and digits.
pub(crate) fn letters(length: usize) -> String {
    use rand::RngExt;
    rand::rng()
        .sample_iter(rand::distr::Alphanumeric)
        .take(length)
        .map(char::from)
        .collect()
}
