//! `/api/redoc/**`: ReDoc over the merged document, from files inside this program; no foreign address, no inline
//! script.

use std::io::Write as _;
use std::sync::LazyLock;

use actix_http::{HttpMessage as _, Request as ClientRequest};
use actix_web::HttpResponse;
use actix_web::http::header;
use bytes::Bytes;

use super::files::accepts;

const SCRIPT: &[u8] = include_bytes!("../../vendor/redoc/redoc.standalone.js");

/// A megabyte of script is sent compressed, and compressed once.
static COMPRESSED: LazyLock<Option<Bytes>> = LazyLock::new(|| {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(SCRIPT).ok()?;
    encoder.finish().ok().map(Bytes::from)
});

const PAGE: &str = "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\">\
     <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>Tabib API</title>\
     <style>body{margin:0}</style></head>\n<body>\n<div id=\"redoc\"></div>\n\
     <script src=\"/api/redoc/redoc.standalone.js\"></script>\n<script src=\"/api/redoc/start.js\"></script>\n\
     </body>\n</html>\n";

/// Its own file because the policy allows no inline script.
const START: &str = "Redoc.init('/openapi.json', {hideDownloadButton: false, disableSearch: false, \
     theme: {typography: {fontFamily: 'system-ui, sans-serif', headings: {fontFamily: 'system-ui, sans-serif'}}}}, \
     document.getElementById('redoc'));\n";

/// The page, its two scripts, or nothing.
pub fn page(request: &ClientRequest) -> Option<HttpResponse> {
    let mut answer = HttpResponse::Ok();
    answer.insert_header((header::CACHE_CONTROL, "no-cache"));
    let javascript = (header::CONTENT_TYPE, "text/javascript; charset=utf-8");
    Some(match request.uri().path().strip_prefix("/api/redoc")? {
        "" | "/" => answer
            .insert_header((header::CONTENT_TYPE, "text/html; charset=utf-8"))
            .body(PAGE),
        "/start.js" => answer.insert_header(javascript).body(START),
        "/redoc.standalone.js" => {
            answer
                .insert_header(javascript)
                .insert_header((header::VARY, "Accept-Encoding"));
            match &*COMPRESSED {
                Some(bytes) if accepts(request.headers(), "gzip") => answer
                    .insert_header((header::CONTENT_ENCODING, "gzip"))
                    .body(bytes.clone()),
                _ => answer.body(Bytes::from_static(SCRIPT)),
            }
        }
        _ => return None,
    })
}
