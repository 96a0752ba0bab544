//! `/dev/inbox…`: the page, its assets, and the JSON routes.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
    web,
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use super::{InboxMessage, NewMessage};
use crate::{pages, server::Simulators};

const MAX_PAGE_SIZE: usize = 200;

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/dev/inbox", web::get().to(show_inbox))
        .route("/dev/inbox/", web::get().to(show_inbox))
        .route("/dev/inbox/assets/{file}", web::get().to(pages::asset));
    for path in ["/dev/inbox/messages", "/dev/inbox/messages/"] {
        config.service(
            web::resource(path)
                .route(web::get().to(list_messages))
                .route(web::post().to(create_message))
                .route(web::delete().to(clear_messages)),
        );
    }
    config.route("/dev/inbox/messages/{id}/html", web::get().to(show_html));
}

#[derive(Debug, Deserialize)]
struct ListQuery {
    to: Option<String>,
    channel: Option<String>,
    page: Option<usize>,
    page_size: Option<usize>,
}

#[derive(Serialize)]
struct InboxPage {
    count: usize,
    results: Vec<InboxMessage>,
}

/// The recipient as the client wrote it: a literal `+` in a query is a plus here, not a space, because nobody who types
/// `?to=+98912…` means a space.
fn recipient(request: &HttpRequest, parsed: Option<String>) -> Option<String> {
    let raw = request
        .query_string()
        .split('&')
        .find_map(|pair| pair.strip_prefix("to="))?;
    if raw.starts_with('+') {
        Some(raw.to_owned())
    } else {
        parsed
    }
}

fn select(request: &HttpRequest, query: ListQuery, state: &Simulators) -> InboxPage {
    let to = recipient(request, query.to);
    let page_size = query.page_size.unwrap_or(50).clamp(1, MAX_PAGE_SIZE);
    let (count, results) = state.inbox.list(
        to.as_deref(),
        query.channel.as_deref(),
        query.page.unwrap_or(1).max(1),
        page_size,
    );
    InboxPage { count, results }
}

async fn list_messages(
    request: HttpRequest,
    query: web::Query<ListQuery>,
    state: web::Data<Simulators>,
) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(select(&request, query.into_inner(), &state))
}

async fn create_message(body: web::Json<NewMessage>, state: web::Data<Simulators>) -> HttpResponse {
    let new = body.into_inner();
    if !matches!(new.channel.as_str(), "sms" | "email" | "voice") {
        return HttpResponse::BadRequest()
            .json(json!({"channel": ["\"sms\", \"email\" or \"voice\" is expected."]}));
    }
    if new.to.trim().is_empty() || new.text.is_empty() {
        return HttpResponse::BadRequest().json(json!({"error": "to and text may not be empty"}));
    }
    match state.inbox.add(new) {
        Ok(message) => HttpResponse::Created().json(message),
        Err(error) => {
            tracing::error!(%error, "the inbox could not store a message");
            HttpResponse::ServiceUnavailable()
                .json(json!({"error": "the inbox could not store the message"}))
        }
    }
}

async fn clear_messages(state: web::Data<Simulators>) -> HttpResponse {
    match state.inbox.clear() {
        Ok(()) => HttpResponse::NoContent().finish(),
        Err(error) => HttpResponse::ServiceUnavailable().json(json!({"error": error.to_string()})),
    }
}

async fn show_inbox(
    request: HttpRequest,
    query: web::Query<ListQuery>,
    state: web::Data<Simulators>,
) -> HttpResponse {
    let channel = query.channel.clone().unwrap_or_default();
    let to = recipient(&request, query.to.clone()).unwrap_or_default();
    let page = select(&request, query.into_inner(), &state);
    state.pages.answer(
        StatusCode::OK,
        "inbox.html",
        json!({ "count": page.count, "results": page.results, "to": to, "channel": channel }),
    )
}

/// The HTML part of an e-mail, alone in a sandbox: no script, no network, no form.
async fn show_html(id: web::Path<Uuid>, state: web::Data<Simulators>) -> HttpResponse {
    match state.inbox.find(*id).and_then(|message| message.html) {
        Some(html) => HttpResponse::Ok()
            .content_type("text/html; charset=utf-8")
            .insert_header((
                "content-security-policy",
                "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:",
            ))
            .insert_header(("x-content-type-options", "nosniff"))
            .body(html),
        None => HttpResponse::NotFound().json(json!({"error": "no such message"})),
    }
}
