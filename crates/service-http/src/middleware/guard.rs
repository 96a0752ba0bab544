//! The innermost shared layer: nothing leaves a service in another shape than ours.

use std::fmt;

use actix_web::{
    Error, HttpResponse, ResponseError,
    body::{BodySize, EitherBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{StatusCode, header},
    middleware::Next,
};
use common_types::Language;
use service_telemetry::with_current_request_id;
use tracing::Instrument;

use super::{pace, path};
use crate::{error::ApiError, extract::language, text::Text};

/// An error already rendered for its caller, for the cases where the request is gone (panics).
struct Rendered {
    error: ApiError,
    language: Language,
    request_id: Option<String>,
}

impl fmt::Debug for Rendered {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(formatter)
    }
}

impl fmt::Display for Rendered {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(formatter)
    }
}

impl ResponseError for Rendered {
    fn status_code(&self) -> StatusCode {
        self.error.status()
    }

    fn error_response(&self) -> HttpResponse {
        self.error.render(self.language, self.request_id.as_deref())
    }
}

/// Canonical path, then the handler; panics become 500, and every error, 404 and 405 gets the
/// platform's body in the caller's language.
///
/// The handler runs as a task of its own, so that a client that breaks the connection off does not
/// stop it between two steps (Q-F4).
pub(crate) async fn guard<B: MessageBody + 'static>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let request_id = service_telemetry::current_request_id();
    let caller_language = language(request.request());
    let rendered = |error: ApiError| -> Error {
        log(&error, request_id.as_deref());
        Rendered {
            error,
            language: caller_language,
            request_id: request_id.clone(),
        }
        .into()
    };
    if let Err(error) = path::canonicalise(&mut request) {
        return Err(rendered(error));
    }
    let request = pace::set_floor(request);
    let handler = with_current_request_id(async move { next.call(request).await });
    let response = match actix_web::rt::spawn(handler.in_current_span()).await {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => return Err(rendered(translate_owned(error))),
        Err(ended) => {
            metrics::counter!("http_panics_total").increment(1);
            return Err(rendered(ApiError::internal(anyhow::anyhow!(
                "handler ended: {ended}"
            ))));
        }
    };
    Ok(reshape(response, request_id.as_deref()))
}

fn reshape<B: MessageBody + 'static>(
    response: ServiceResponse<B>,
    request_id: Option<&str>,
) -> ServiceResponse<EitherBody<B>> {
    let request = response.request();
    let caller_language = language(request);
    let replacement = match response.response().error() {
        Some(error) => match error.as_error::<ApiError>() {
            Some(error) => {
                log(error, request_id);
                Some(error.render(caller_language, request_id))
            }
            None if error.as_error::<Rendered>().is_some() => None,
            None => {
                let error = translate(error);
                log(&error, request_id);
                Some(error.render(caller_language, request_id))
            }
        },
        None => framework_refusal(&response).map(|error| error.render(caller_language, request_id)),
    };
    match replacement {
        Some(mut replacement) => {
            if let Some(allow) = response.headers().get(header::ALLOW) {
                replacement
                    .headers_mut()
                    .insert(header::ALLOW, allow.clone());
            }
            response.into_response(replacement).map_into_right_body()
        }
        None => response.map_into_left_body(),
    }
}

/// The router's own bodiless 404 and 405.
fn framework_refusal<B: MessageBody>(response: &ServiceResponse<B>) -> Option<ApiError> {
    let bodiless = matches!(
        response.response().body().size(),
        BodySize::None | BodySize::Sized(0)
    );
    match response.status() {
        StatusCode::NOT_FOUND if bodiless => {
            Some(ApiError::not_found("request.not_found", "Not found."))
        }
        StatusCode::METHOD_NOT_ALLOWED if bodiless => Some(ApiError::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "request.method",
            format!("Method \"{}\" not allowed.", response.request().method()),
        )),
        _ => None,
    }
}

/// An error of the framework or of another crate.
fn translate(error: &Error) -> ApiError {
    let status = error.as_response_error().status_code();
    match status {
        StatusCode::NOT_FOUND => ApiError::not_found("request.not_found", "Not found."),
        StatusCode::PAYLOAD_TOO_LARGE => ApiError::new(
            status,
            "request.too_large",
            Text::i18n(
                "درخواست بیش از حد بزرگ است.",
                "La requête est trop volumineuse.",
                "The request is too large.",
            ),
        ),
        status if status.is_client_error() => ApiError::new(
            status,
            "request.refused",
            Text::i18n(
                "درخواست معتبر نیست.",
                "La requête n'est pas valide.",
                "The request is not valid.",
            ),
        ),
        _ => ApiError::internal(anyhow::anyhow!("{error}")),
    }
}

fn translate_owned(error: Error) -> ApiError {
    match error.as_error::<ApiError>() {
        // `Error` does not give its content back by value, so what matters is copied.
        Some(known) => known.duplicate(),
        None => translate(&error),
    }
}

/// Server errors are logged once, here, with their cause.
fn log(error: &ApiError, request_id: Option<&str>) {
    if error.status().is_server_error() {
        let cause = error
            .cause()
            .map(|cause| format!("{cause:#}"))
            .unwrap_or_default();
        tracing::error!(
            status = error.status().as_u16(),
            code = error.code(),
            request_id,
            cause,
            "request failed"
        );
    }
}
