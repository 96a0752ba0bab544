//! Where a refresh token travels: in JSON, or for our web application in a cookie no script can read (decisions.md 7).

use actix_web::cookie::{Cookie, SameSite, time::Duration};
use actix_web::{FromRequest, HttpRequest, dev::Payload};
use chrono::{DateTime, Utc};
use futures_util::future::{Ready, ready};
use serde::Deserialize;
use service_http::ApiError;
use service_http::Stack;
use service_http::extract::cookie;
use service_http::extract::origin::from_our_pages;
use utoipa::ToSchema;

/// `__Host-`: the browser takes it over TLS (or from this machine) only, for this host alone, for the whole site.
pub const REFRESH_COOKIE: &str = "__Host-tabib_refresh";

/// Where the refresh token of a session travels.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Carrier {
    /// In the JSON of the answer.
    #[default]
    Body,
    /// In the cookie [`REFRESH_COOKIE`]; the answer's JSON has none.
    Cookie,
}

impl Carrier {
    /// The carrier as it is stored.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Body => "body",
            Self::Cookie => "cookie",
        }
    }

    /// The carrier of a stored word.
    #[must_use]
    pub fn of(word: &str) -> Self {
        if word == "cookie" {
            Self::Cookie
        } else {
            Self::Body
        }
    }

    /// The refresh token for the JSON, and the cookie that carries it instead.
    #[must_use]
    pub fn part(self, refresh: String, seconds: i64) -> (Option<String>, Option<Cookie<'static>>) {
        match self {
            Self::Body => (Some(refresh), None),
            Self::Cookie => (None, Some(refresh_cookie(refresh, seconds))),
        }
    }
}

/// What a browser's request brings: whether it comes from our own pages, and the refresh cookie.
#[derive(Debug, Clone)]
pub struct Browser {
    from_our_pages: bool,
    refresh: Option<String>,
}

impl FromRequest for Browser {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Stack::of(request).map(|stack| Self {
            from_our_pages: from_our_pages(request, stack),
            refresh: cookie(request, REFRESH_COOKIE),
        }))
    }
}

impl Browser {
    /// Refuses a cookie session to other sites' pages, at login too: nobody is logged in behind their back.
    ///
    /// # Errors
    /// 403 `auth.foreign_origin`.
    pub fn check(&self, carrier: Carrier) -> Result<(), ApiError> {
        if carrier == Carrier::Body || self.from_our_pages {
            Ok(())
        } else {
            Err(foreign_origin())
        }
    }

    /// The refresh token of the cookie, when there is one and our own page sent it.
    ///
    /// # Errors
    /// 403 `auth.foreign_origin` when another page sent it.
    pub fn refresh_token(&self) -> Result<Option<&str>, ApiError> {
        match &self.refresh {
            Some(_) if !self.from_our_pages => Err(foreign_origin()),
            token => Ok(token.as_deref()),
        }
    }

    /// True when a cookie came, from wherever.
    #[must_use]
    pub fn has_cookie(&self) -> bool {
        self.refresh.is_some()
    }
}

fn foreign_origin() -> ApiError {
    ApiError::forbidden("auth.foreign_origin", "").i18n(
        "این درخواست از صفحه‌های ما نیامده است.",
        "Cette requête ne vient pas de nos pages.",
        "This request does not come from our own pages.",
    )
}

fn refresh_cookie(refresh: String, seconds: i64) -> Cookie<'static> {
    Cookie::build(REFRESH_COOKIE, refresh)
        .path("/")
        .secure(true)
        .http_only(true)
        .same_site(SameSite::Strict)
        .max_age(Duration::seconds(seconds.max(0)))
        .finish()
}

/// The cookie that removes [`REFRESH_COOKIE`].
pub(crate) fn removal() -> Cookie<'static> {
    let mut cookie = refresh_cookie(String::new(), 0);
    cookie.make_removal();
    cookie
}

/// Whole seconds until `end`.
pub(crate) fn seconds_left(now: DateTime<Utc>, end: DateTime<Utc>) -> i64 {
    (end - now).num_seconds()
}
