//! Every public route of the service passes here: rules over routes, and the origin of what is logged.

use actix_web::{
    HttpRequest, HttpResponse,
    body::{EitherBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::header::{HeaderName, HeaderValue},
    middleware::Next,
    web,
};
use service_http::{ApiError, Decision, extract};

use super::{
    model::{Called, Rule, Scope, Who},
    rules::{count, covering, throttled},
};
use crate::{AppState, log, v1};

/// Counts a request by the rules that speak of its route and answers 429 when one allows no more.
pub(crate) async fn enforce<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, actix_web::Error> {
    let Some(state) = request.app_data::<web::Data<AppState>>().cloned() else {
        return next
            .call(request)
            .await
            .map(ServiceResponse::map_into_left_body);
    };
    let path = request.path().trim_end_matches('/').to_owned();
    let ip = extract::client_ip(request.request());
    let called = Called::Path(&path);
    let rules = covering(&state.rules.live(&state).await, called);
    let mut decision = None;
    if !rules.is_empty() {
        let who = who(&state, request.request(), &rules).await;
        decision = count(&state, &rules, &who, called).await;
        if let Some(refused) = decision.filter(|decision| !decision.allowed) {
            let answer = refusal(&path, refused).into_response(request.request());
            return Ok(request.into_response(answer).map_into_right_body());
        }
    }
    let origin = log::Origin {
        // A path may name a person's message or a secret endpoint; the route's pattern does not.
        endpoint: request.match_pattern().unwrap_or(path),
        ip: Some(ip),
    };
    let mut response = origin.scope(next.call(request)).await?;
    for (name, value) in decision.iter().flat_map(Decision::headers) {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    Ok(response.map_into_left_body())
}

/// Who calls. The token is only read as far as the rules need it; the handler checks it again and decides.
async fn who(state: &AppState, request: &HttpRequest, rules: &[Rule]) -> Who {
    let mut who = Who {
        ip: Some(extract::client_ip(request)),
        ..Who::default()
    };
    let by_address = |rule: &Rule| {
        rule.organization_id.is_none() && matches!(rule.scope, Scope::Global | Scope::Ip)
    };
    if rules.iter().all(by_address) {
        return who;
    }
    let Some(token) = extract::bearer(request).or_else(|| {
        let key = request.headers().get("x-api-key")?.to_str().ok()?;
        Some(key.trim().to_owned())
    }) else {
        return who;
    };
    if let Ok(claims) = state.stack.verifier.verify_access(&token).await {
        who.user = Some(format!("user:{}", claims.sub));
        who.organization = claims.org;
    } else if let Ok(Some(key)) = state.stack.api_keys.introspect(&token).await {
        who.user = Some(format!("api_key:{}", key.id));
        who.organization = key.organization_id;
    }
    who
}

/// 429 in the words of the route's own contract (wire.md 9.4; OpenAI's on `/v1`).
fn refusal(path: &str, decision: Decision) -> ApiError {
    let seconds = u64::try_from(decision.wait.as_millis().div_ceil(1_000))
        .unwrap_or(u64::MAX)
        .max(1);
    if path.starts_with("/v1/") {
        return v1::error::too_many(seconds);
    }
    let mut error = throttled(seconds);
    for (name, value) in decision.headers() {
        error = error.header(name, value);
    }
    error
}

/// An error as a response that the outer layers put into the caller's language.
trait IntoResponse {
    fn into_response(self, request: &HttpRequest) -> HttpResponse;
}

impl IntoResponse for ApiError {
    fn into_response(self, request: &HttpRequest) -> HttpResponse {
        self.render(
            extract::language(request),
            service_telemetry::current_request_id().as_deref(),
        )
    }
}
