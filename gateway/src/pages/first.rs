//! The page that stands at `/` until the web application is built. No script, no foreign address.

use actix_web::HttpResponse;
use actix_web::http::header;

/// The page; `development` adds the inbox.
pub fn page(development: bool) -> HttpResponse {
    let inbox = if development {
        "<li><a href=\"/dev/inbox\">Development inbox</a> · صندوق پیام‌های آزمایشی</li>"
    } else {
        ""
    };
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "text/html; charset=utf-8"))
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .body(format!(
            "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>Tabib · طبیب</title>\
             <style>body{{font:1.05rem/1.7 system-ui,sans-serif;max-width:38rem;margin:12vh auto;padding:0 1.2rem;\
             color:#1b2a2f;background:#fbfcfc}}h1{{font-size:2rem;margin:0}}a{{color:#0b6e6e}}\
             @media (prefers-color-scheme:dark){{body{{color:#dfe8e8;background:#10191b}}a{{color:#6fd0cf}}}}</style>\
             </head>\n<body>\n<h1>Tabib <span lang=\"fa\" dir=\"rtl\">طبیب</span></h1>\n\
             <p>The platform is running. The web application has not been built here yet (<code>make web</code>).</p>\n\
             <p lang=\"fr\">La plateforme fonctionne. L'application web n'a pas encore été construite ici.</p>\n\
             <p lang=\"fa\" dir=\"rtl\">سامانه برپاست. رابط وب هنوز ساخته نشده است.</p>\n\
             <ul><li><a href=\"/api/docs/\">API documentation</a> (<a href=\"/api/redoc/\">ReDoc</a>)</li>\
             <li><a href=\"/openapi.json\">OpenAPI document</a></li><li><a href=\"/health/\">Health</a></li>{inbox}</ul>\n\
             </body>\n</html>\n"
        ))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_inbox_is_only_named_in_development() {
        let text = |development| {
            let body = super::page(development).into_body();
            let bytes = actix_web::body::MessageBody::try_into_bytes(body).unwrap();
            String::from_utf8(bytes.to_vec()).unwrap()
        };
        assert!(text(true).contains("/dev/inbox"));
        assert!(!text(false).contains("/dev/inbox"));
        assert!(!text(true).contains("<script"));
    }
}
