//! `/s3/<bucket>/<key>`.

use std::collections::BTreeMap;

use actix_web::{
    HttpRequest, HttpResponse,
    http::{Method, StatusCode, header},
    web,
};
use bytes::Bytes;
use chrono::Utc;
use sha2::{Digest, Sha256};

use super::{Unfinished, signature};
use crate::server::Simulators;

/// Largest body of one request: a part of a multipart upload.
const LARGEST: usize = 64 * 1024 * 1024;

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config.service(
        web::scope("/s3")
            .app_data(web::PayloadConfig::new(LARGEST))
            .route("/{key:.+}", web::route().to(answer)),
    );
}

fn refuse(status: u16, code: &str) -> HttpResponse {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    xml(
        status,
        &format!("<Error><Code>{code}</Code><Message>{code}</Message></Error>"),
    )
}

fn xml(status: StatusCode, body: &str) -> HttpResponse {
    HttpResponse::build(status)
        .content_type("application/xml")
        .body(format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{body}"
        ))
}

/// Of the content's length and its ends: the client only echoes it.
fn etag(content: &[u8]) -> String {
    let length = content.len().to_le_bytes();
    let ends = [
        length.as_slice(),
        &content[..content.len().min(1_024)],
        &content[content.len().saturating_sub(1_024)..],
    ];
    format!("\"{}\"", &hex::encode(Sha256::digest(ends.concat()))[..32])
}

async fn answer(
    request: HttpRequest,
    key: web::Path<String>,
    query: web::Query<BTreeMap<String, String>>,
    body: Bytes,
    state: web::Data<Simulators>,
) -> HttpResponse {
    if let Err(code) = signature::check(&request, &body, Utc::now()) {
        let status = if code == "InvalidRequest" || code == "XAmzContentSHA256Mismatch" {
            400
        } else {
            403
        };
        return refuse(status, code);
    }
    let store = &state.s3;
    if store.slows_down() {
        return refuse(503, "SlowDown");
    }
    let writes = !matches!(*request.method(), Method::GET | Method::HEAD);
    if writes && store.is_read_only() {
        return refuse(403, "AccessDenied");
    }
    let upload = query.get("uploadId").map(String::as_str);
    match (request.method(), upload) {
        (&Method::GET | &Method::HEAD, _) => {
            store.note("GetObject");
            read(&request, store.get(&key))
        }
        (&Method::POST, None) if query.contains_key("uploads") => {
            store.note("CreateMultipartUpload");
            let (bucket, name) = key.split_once('/').unwrap_or((key.as_str(), ""));
            let id = store.begin(&key);
            xml(
                StatusCode::OK,
                &format!(
                    "<InitiateMultipartUploadResult><Bucket>{bucket}</Bucket><Key>{name}</Key>\
                     <UploadId>{id}</UploadId></InitiateMultipartUploadResult>"
                ),
            )
        }
        (&Method::POST, None) if query.contains_key("delete") => {
            store.note("DeleteObjects");
            delete_all(&state, &request, &key, &body)
        }
        (&Method::PUT, Some(id)) => {
            store.note("UploadPart");
            let number = query.get("partNumber").and_then(|text| text.parse().ok());
            let tag = etag(&body);
            match number {
                Some(number) if store.put_part(id, number, body.clone()) => HttpResponse::Ok()
                    .insert_header((header::ETAG, tag))
                    .finish(),
                Some(_) => refuse(404, "NoSuchUpload"),
                None => refuse(400, "InvalidArgument"),
            }
        }
        (&Method::POST, Some(id)) => {
            store.note("CompleteMultipartUpload");
            finish(&state, &key, id, &body)
        }
        (&Method::DELETE, Some(id)) => {
            store.note("AbortMultipartUpload");
            if store.abort(id) {
                HttpResponse::NoContent().finish()
            } else {
                refuse(404, "NoSuchUpload")
            }
        }
        (&Method::PUT, None) => {
            store.note("PutObject");
            let tag = etag(&body);
            store.put(&key, body);
            HttpResponse::Ok()
                .insert_header((header::ETAG, tag))
                .finish()
        }
        (&Method::DELETE, None) => {
            store.note("DeleteObject");
            store.delete(&key);
            HttpResponse::NoContent().finish()
        }
        _ => refuse(405, "MethodNotAllowed"),
    }
}

/// An object, or the bytes of it that a range names (`bytes=a-b`, `bytes=a-`).
fn read(request: &HttpRequest, object: Option<Bytes>) -> HttpResponse {
    let Some(content) = object else {
        return refuse(404, "NoSuchKey");
    };
    let now = Utc::now().format("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let range = request
        .headers()
        .get(header::RANGE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("bytes="))
        .and_then(|value| value.split_once('-'));
    let total = content.len();
    let mut answer = HttpResponse::Ok();
    answer
        .insert_header((header::LAST_MODIFIED, now))
        .insert_header((header::ACCEPT_RANGES, "bytes"))
        .insert_header((header::ETAG, etag(&content)));
    let Some((from, to)) = range else {
        return answer.body(content);
    };
    let from: usize = from.parse().unwrap_or(total);
    let to = to
        .parse::<usize>()
        .map_or(total, |last| last + 1)
        .min(total);
    if from >= to {
        return refuse(416, "InvalidRange");
    }
    answer
        .status(StatusCode::PARTIAL_CONTENT)
        .insert_header((
            header::CONTENT_RANGE,
            format!("bytes {from}-{}/{total}", to - 1),
        ))
        .body(content.slice(from..to))
}

/// `DeleteObjects`: the vendor wants the body's digest beside it. What is not there counts as deleted.
fn delete_all(
    state: &Simulators,
    request: &HttpRequest,
    bucket: &str,
    body: &[u8],
) -> HttpResponse {
    let headers = request.headers();
    if !headers.contains_key("content-md5") && !headers.contains_key("x-amz-checksum-sha256") {
        return refuse(400, "InvalidRequest");
    }
    let text = String::from_utf8_lossy(body);
    let keys: Vec<&str> = text
        .split("<Key>")
        .skip(1)
        .filter_map(|rest| rest.split("</Key>").next())
        .collect();
    if keys.is_empty() || keys.len() > 1_000 {
        return refuse(400, "MalformedXML");
    }
    let mut deleted = String::new();
    for key in keys {
        let plain = key
            .replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&quot;", "\"")
            .replace("&apos;", "'")
            .replace("&amp;", "&");
        state.s3.delete(&format!("{bucket}/{plain}"));
        deleted.push_str(&format!("<Deleted><Key>{key}</Key></Deleted>"));
    }
    xml(
        StatusCode::OK,
        &format!("<DeleteResult>{deleted}</DeleteResult>"),
    )
}

fn finish(state: &Simulators, key: &str, id: &str, body: &[u8]) -> HttpResponse {
    let text = String::from_utf8_lossy(body);
    let parts: Vec<u32> = text
        .split("<PartNumber>")
        .skip(1)
        .filter_map(|rest| rest.split('<').next()?.trim().parse().ok())
        .collect();
    if parts.is_empty() || !parts.is_sorted() {
        return refuse(400, "InvalidPartOrder");
    }
    match state.s3.finish(id, &parts) {
        Ok(()) => xml(
            StatusCode::OK,
            &format!(
                "<CompleteMultipartUploadResult><Key>{key}</Key><ETag>\"{id}\"</ETag></CompleteMultipartUploadResult>"
            ),
        ),
        Err(Unfinished::NoSuchUpload) => refuse(404, "NoSuchUpload"),
        Err(Unfinished::InvalidPart) => refuse(400, "InvalidPart"),
        Err(Unfinished::TooSmall) => refuse(400, "EntityTooSmall"),
    }
}
