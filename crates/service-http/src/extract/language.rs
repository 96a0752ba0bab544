//! The caller's language.

use std::convert::Infallible;

use actix_web::{FromRequest, HttpRequest, dev::Payload, http::header};
use common_types::Language;
use futures_util::future::{Ready, ready};

/// The language of a scope's or resource's own contract, put in its app data; it counts when the
/// caller names none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteLanguage(pub Language);

/// The language to answer in: `Accept-Language`, else the route's own, else English.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lang(pub Language);

impl FromRequest for Lang {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self(language(request))))
    }
}

/// As the extractor, for code that has the request at hand.
pub fn language(request: &HttpRequest) -> Language {
    let default = request
        .app_data::<RouteLanguage>()
        .map_or(Language::En, |route| route.0);
    let header = request
        .headers()
        .get(header::ACCEPT_LANGUAGE)
        .and_then(|value| value.to_str().ok());
    Language::from_accept_language(header, default)
}
