//! Field messages of Contexor's and django-chelseru's contracts: English literals whatever the caller's language
//! (decisions.md 26); and the language of what these routes send.

use std::convert::Infallible;

use actix_web::{FromRequest, HttpRequest, dev::Payload, http::header};
use common_types::Language;
use futures_util::future::{Ready, ready};
use service_http::text::{self, Text};

use crate::validate::literal;

pub(crate) fn required() -> Text {
    literal(&text::required(), Language::En)
}

pub(crate) fn not_blank() -> Text {
    literal(&text::not_blank(), Language::En)
}

pub(crate) fn not_a_string() -> Text {
    literal(&text::not_a_string(), Language::En)
}

pub(crate) fn not_an_integer() -> Text {
    literal(&text::not_an_integer(), Language::En)
}

/// The language of an SMS and of a user made by it: `Accept-Language`, else Persian.
#[derive(Debug, Clone, Copy)]
pub struct SmsLanguage(pub Language);

impl FromRequest for SmsLanguage {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let header = request
            .headers()
            .get(header::ACCEPT_LANGUAGE)
            .and_then(|value| value.to_str().ok());
        ready(Ok(Self(Language::from_accept_language(
            header,
            Language::Fa,
        ))))
    }
}
