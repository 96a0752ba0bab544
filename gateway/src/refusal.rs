//! The gateway's own answers to what it does not pass on, in the shapes the routes' clients read.
//!
//! `drf`: problem details whose `detail`, `code`, `messages` are Django REST Framework's and SimpleJWT's words
//! (wire.md section 1; French on CIMEF's routes, cimef.md 0). `v1`: Contexor's envelope. `openai`: OpenAI's.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use actix_web::HttpResponse;
use actix_web::http::{StatusCode, header};
use common_types::Language;
use serde_json::{Map, Value, json};

use crate::limits::Denied;
use crate::path::PathError;
use crate::routes::{Route, Shape};

/// Why the gateway answers itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// 400, or 414 for a target that is too long.
    Path(PathError),
    /// 400: a header that must not come twice, a foreign Host, an upgrade where there is none.
    BadRequest(&'static str, String),
    /// 401 without credentials.
    NoCredentials,
    /// 401 with credentials that do not verify.
    BadToken,
    /// 403 at a WebSocket handshake.
    Forbidden(&'static str),
    /// 404: no such route.
    NotFound,
    /// 405 with the methods that are routed.
    MethodNotAllowed(String, BTreeSet<&'static str>),
    /// 408: the client was too slow.
    TooSlow,
    /// 413.
    TooLarge(u64),
    /// 415: a compressed body.
    Encoding(String),
    /// 426: a WebSocket route without a handshake.
    UpgradeRequired,
    /// 429.
    Throttled(Denied),
    /// 500: a defect of the gateway.
    Internal,
    /// 502.
    BadGateway(&'static str),
    /// 503 with seconds to wait.
    Unavailable(&'static str, u32),
    /// 504.
    Timeout(&'static str),
}

impl Refusal {
    /// The status.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Path(PathError::TooLong) => StatusCode::URI_TOO_LONG,
            Self::Path(_) | Self::BadRequest(..) => StatusCode::BAD_REQUEST,
            Self::NoCredentials | Self::BadToken => StatusCode::UNAUTHORIZED,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed(..) => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Encoding(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::UpgradeRequired => StatusCode::UPGRADE_REQUIRED,
            Self::Throttled(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::BadGateway(_) => StatusCode::BAD_GATEWAY,
            Self::Unavailable(..) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Timeout(_) => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Path(PathError::TooLong) => "request.target_too_long",
            Self::Path(_) => "request.path_not_canonical",
            Self::BadRequest(code, _) | Self::Forbidden(code) => code,
            Self::NoCredentials => "not_authenticated",
            Self::BadToken => "token_not_valid",
            Self::NotFound => "request.not_found",
            Self::MethodNotAllowed(..) => "request.method_not_allowed",
            Self::TooSlow => "request.too_slow",
            Self::TooLarge(_) => "request.body_too_large",
            Self::Encoding(_) => "request.content_encoding",
            Self::UpgradeRequired => "request.upgrade_required",
            Self::Throttled(_) => "request.throttled",
            Self::Internal => "gateway.internal",
            Self::BadGateway(_) => "gateway.bad_gateway",
            Self::Unavailable(..) => "gateway.unavailable",
            Self::Timeout(_) => "gateway.timeout",
        }
    }

    /// Whether what is left of the request cannot be trusted or is not worth reading: the connection ends.
    fn closes(&self) -> bool {
        matches!(
            self,
            Self::Path(_)
                | Self::BadRequest(..)
                | Self::TooSlow
                | Self::Internal
                | Self::TooLarge(_)
                | Self::Encoding(_)
        )
    }

    fn detail(&self, language: Language) -> String {
        let choose = |fa: &str, fr: &str, en: &str| match language {
            Language::Fa => fa.to_owned(),
            Language::Fr => fr.to_owned(),
            Language::En => en.to_owned(),
        };
        match self {
            Self::Path(error) => error.to_string(),
            Self::BadRequest(_, text) => text.clone(),
            Self::NoCredentials => choose(
                "برای این کار باید وارد شوید.",
                "Informations d'authentification non fournies.",
                "Authentication credentials were not provided.",
            ),
            Self::BadToken => choose(
                "نشست شما معتبر نیست. دوباره وارد شوید.",
                "Le type de jeton fourni n'est pas valide",
                "Given token not valid for any token type",
            ),
            Self::Forbidden(_) => choose(
                "اجازهٔ این کار را ندارید.",
                "Vous n'avez pas la permission d'effectuer cette action.",
                "You do not have permission to perform this action.",
            ),
            Self::NotFound => choose("یافت نشد.", "Pas trouvé.", "Not found."),
            Self::MethodNotAllowed(method, _) => choose(
                &format!("متد {method} مجاز نیست."),
                &format!("Méthode «\u{a0}{method}\u{a0}» non autorisée."),
                &format!("Method \"{method}\" not allowed."),
            ),
            Self::TooSlow => choose(
                "دریافت درخواست بیش از حد طول کشید.",
                "La requête est arrivée trop lentement.",
                "The request came too slowly.",
            ),
            Self::TooLarge(most) => choose(
                &format!("حجم درخواست بیش از {most} بایت است."),
                &format!("Le corps de la requête dépasse {most} octets."),
                &format!("The request body is larger than {most} bytes."),
            ),
            Self::Encoding(encoding) => choose(
                "درخواست فشرده پذیرفته نمی‌شود.",
                &format!("Le codage «\u{a0}{encoding}\u{a0}» du corps n'est pas accepté."),
                &format!("Unsupported content encoding \"{encoding}\" in request."),
            ),
            Self::UpgradeRequired => choose(
                "این نشانی فقط برای وب‌سوکت است.",
                "Cette adresse est réservée aux WebSockets.",
                "This address is for WebSockets only.",
            ),
            Self::Throttled(denied) => {
                let seconds = denied.retry_after;
                choose(
                    &format!("تعداد درخواست‌ها زیاد است. {seconds} ثانیه دیگر دوباره تلاش کنید."),
                    &format!("La requête a été limitée. Disponible dans {seconds} secondes."),
                    &format!("Request was throttled. Expected available in {seconds} seconds."),
                )
            }
            Self::Internal => choose(
                "خطای داخلی رخ داد.",
                "Une erreur interne est survenue.",
                "Something went wrong here.",
            ),
            Self::BadGateway(_) => choose(
                "سرویس پاسخ درستی نداد.",
                "Le service n'a pas répondu correctement.",
                "The service did not answer properly.",
            ),
            Self::Unavailable(..) => choose(
                "سرویس موقتاً در دسترس نیست.",
                "Le service est momentanément indisponible.",
                "The service is temporarily unavailable.",
            ),
            Self::Timeout(_) => choose(
                "سرویس به‌موقع پاسخ نداد.",
                "Le service n'a pas répondu à temps.",
                "The service did not answer in time.",
            ),
        }
    }

    /// The answer, in the shape of the route (problem details where there is none).
    pub fn answer(&self, route: Option<&Route>, request_id: &str) -> HttpResponse {
        let shape = route.map_or(Shape::Drf, |route| route.shape);
        let language = route.map_or(Language::En, |route| route.language);
        let detail = self.detail(language);
        let (content_type, body) = match shape {
            Shape::Drf => ("application/problem+json", self.problem(detail, request_id)),
            Shape::V1 => ("application/json", self.envelope(&detail, request_id)),
            Shape::Openai => ("application/json", self.openai(&detail)),
        };
        let mut answer = HttpResponse::build(self.status());
        answer
            .insert_header((header::CONTENT_TYPE, content_type))
            .insert_header((header::CACHE_CONTROL, "no-store"));
        match self {
            Self::NoCredentials | Self::BadToken => {
                answer.insert_header((header::WWW_AUTHENTICATE, "Bearer realm=\"api\""));
            }
            Self::MethodNotAllowed(_, allowed) => {
                let mut list = String::new();
                for method in allowed {
                    let _ = write!(list, "{}{method}", if list.is_empty() { "" } else { ", " });
                }
                answer.insert_header((header::ALLOW, list));
            }
            Self::Throttled(denied) => {
                answer.insert_header((header::RETRY_AFTER, denied.retry_after.to_string()));
                for (name, value) in denied.headers() {
                    answer.insert_header((name, value));
                }
            }
            Self::Unavailable(_, seconds) => {
                answer.insert_header((header::RETRY_AFTER, seconds.to_string()));
            }
            Self::UpgradeRequired => {
                answer.insert_header((header::UPGRADE, "websocket"));
            }
            _ => {}
        }
        if self.closes() {
            answer.force_close();
        }
        answer.body(body.to_string())
    }

    /// Problem details. Where a contract's member has the same name, the contract's value stands (decisions.md 26).
    fn problem(&self, detail: String, request_id: &str) -> Value {
        let status = self.status();
        let mut body = Map::new();
        body.insert("type".into(), "about:blank".into());
        body.insert(
            "title".into(),
            status.canonical_reason().unwrap_or("Error").into(),
        );
        body.insert("status".into(), status.as_u16().into());
        body.insert("detail".into(), detail.into());
        body.insert("code".into(), self.code().into());
        body.insert("request_id".into(), request_id.into());
        if matches!(self, Self::BadToken) {
            body.insert(
                "messages".into(),
                json!([{"token_class": "AccessToken", "token_type": "access", "message": "Token is invalid"}]),
            );
        }
        Value::Object(body)
    }

    fn envelope(&self, detail: &str, request_id: &str) -> Value {
        let code = match self {
            Self::NoCredentials | Self::BadToken => "INVALID_TOKEN",
            Self::Forbidden(_) => "PERMISSION_DENIED",
            Self::NotFound => "RESOURCE_NOT_FOUND",
            other => other.code(),
        };
        json!({
            "success": false,
            "error": detail,
            "errors": {},
            "code": code,
            "timestamp": chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Millis, true),
            "request_id": request_id,
        })
    }

    fn openai(&self, detail: &str) -> Value {
        let kind = match self.status().as_u16() {
            401 => "authentication_error",
            429 => "rate_limit_error",
            400..=499 => "invalid_request_error",
            _ => "server_error",
        };
        json!({"error": {"message": detail, "type": kind, "param": null, "code": self.code()}})
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routes::{EMBEDDED, Found, RouteTable};

    fn body(refusal: &Refusal, path: &str) -> Value {
        let table = RouteTable::parse(EMBEDDED, true).unwrap();
        let Found::Route(route) = table.find(path, "GET") else {
            panic!("{path}")
        };
        let answer = refusal.answer(Some(route), "r1");
        let bytes = actix_web::body::MessageBody::try_into_bytes(answer.into_body()).unwrap();
        serde_json::from_slice(&bytes).unwrap()
    }

    #[test]
    fn the_words_of_the_contracts() {
        let english = body(&Refusal::NoCredentials, "/api/auth/me/");
        assert_eq!(
            english["detail"],
            "Authentication credentials were not provided."
        );
        let english = body(&Refusal::BadToken, "/api/auth/me/");
        assert_eq!(
            english["detail"],
            "Given token not valid for any token type"
        );
        assert_eq!(english["code"], "token_not_valid");
        assert_eq!(
            english["messages"],
            json!([{"token_class":"AccessToken","token_type":"access","message":"Token is invalid"}])
        );
        assert_eq!(english["request_id"], "r1");
        let french = body(&Refusal::NoCredentials, "/api/invoices/");
        assert_eq!(
            french["detail"],
            "Informations d'authentification non fournies."
        );
        let v1 = body(&Refusal::BadToken, "/api/v1/contents");
        assert_eq!(
            (&v1["success"], &v1["code"]),
            (&json!(false), &json!("INVALID_TOKEN"))
        );
        assert!(v1["error"].as_str().unwrap().contains("نشست"));
        let openai = body(&Refusal::NoCredentials, "/v1/models");
        assert_eq!(openai["error"]["type"], "authentication_error");
    }
}
