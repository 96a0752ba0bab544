//! The built web application: hashed assets for ever, documents revalidated, compressed once.

use std::collections::HashMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use actix_http::{HttpMessage as _, Request as ClientRequest};
use actix_web::HttpResponse;
use actix_web::http::header::{self, HeaderMap};
use actix_web::http::{Method, StatusCode};
use bytes::Bytes;
use parking_lot::RwLock;
use sha2::{Digest, Sha256};

/// Smaller files are not worth compressing.
const WORTH_COMPRESSING: usize = 1024;
/// Larger files are not kept in memory (and do not belong into a web application).
const LARGEST: u64 = 16 * 1024 * 1024;

/// The files of one folder.
#[derive(Debug)]
pub struct Site {
    root: PathBuf,
    kept: RwLock<HashMap<PathBuf, Arc<File>>>,
}

#[derive(Debug)]
struct File {
    modified: SystemTime,
    length: u64,
    kind: String,
    etag: String,
    plain: Bytes,
    gzip: Option<Bytes>,
    brotli: Option<Bytes>,
}

impl Site {
    /// The site in this folder, which may be absent and may appear later.
    pub fn new(root: PathBuf) -> Self {
        Self {
            root,
            kept: RwLock::default(),
        }
    }

    /// Whether the application was built.
    pub fn exists(&self) -> bool {
        self.root.join("index.html").is_file()
    }

    /// The answer for a canonical path: the file, or the entry document for the application's own addresses.
    /// `None` when there is neither.
    pub async fn answer(&self, request: &ClientRequest) -> Option<HttpResponse> {
        let relative = relative(request.uri().path())?;
        let mut file = self.load(&relative).await;
        if file.is_none() {
            if looks_like_file(&relative) {
                return None;
            }
            let first = relative
                .components()
                .next()
                .map(|part| part.as_os_str().to_string_lossy().into_owned());
            // Patient pages are a second, light entry where it was built.
            let entry = match first.as_deref() {
                Some("patient") if self.root.join("patient.html").is_file() => "patient.html",
                _ => "index.html",
            };
            file = self.load(Path::new(entry)).await;
        }
        let file = file?;
        Some(reply(request, &file, is_hashed(&relative)))
    }

    async fn load(&self, relative: &Path) -> Option<Arc<File>> {
        let path = if relative.as_os_str().is_empty() {
            self.root.join("index.html")
        } else {
            self.root.join(relative)
        };
        let meta = std::fs::metadata(&path)
            .ok()
            .filter(std::fs::Metadata::is_file)?;
        let (modified, length) = (meta.modified().ok()?, meta.len());
        if length > LARGEST {
            return None;
        }
        let kept = self.kept.read().get(&path).cloned();
        if let Some(file) = kept
            && file.modified == modified
            && file.length == length
        {
            return Some(file);
        }
        let from = path.clone();
        let file = Arc::new(
            actix_web::web::block(move || read(&from, modified, length))
                .await
                .ok()?
                .ok()?,
        );
        self.kept.write().insert(path, Arc::clone(&file));
        Some(file)
    }
}

fn read(path: &Path, modified: SystemTime, length: u64) -> std::io::Result<File> {
    let plain = Bytes::from(std::fs::read(path)?);
    let kind = mime_guess::from_path(path).first_or_octet_stream();
    let text = kind.type_() == mime_guess::mime::TEXT
        || matches!(
            kind.essence_str(),
            "application/javascript" | "application/json" | "image/svg+xml" | "application/wasm"
        )
        || kind.essence_str().ends_with("+json");
    let sibling = |ending: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(ending);
        std::fs::read(PathBuf::from(name)).ok().map(Bytes::from)
    };
    let gzip = match sibling(".gz") {
        Some(bytes) => Some(bytes),
        None if text && plain.len() >= WORTH_COMPRESSING => Some(compress(&plain)?),
        None => None,
    };
    let kind = if text && kind.type_() == mime_guess::mime::TEXT {
        format!("{kind}; charset=utf-8")
    } else {
        kind.to_string()
    };
    let etag = format!("\"{}\"", hex::encode(&Sha256::digest(&plain)[..12]));
    Ok(File {
        modified,
        length,
        kind,
        etag,
        plain,
        gzip,
        brotli: sibling(".br"),
    })
}

fn compress(plain: &[u8]) -> std::io::Result<Bytes> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
    encoder.write_all(plain)?;
    encoder.finish().map(Bytes::from)
}

fn reply(request: &ClientRequest, file: &File, hashed: bool) -> HttpResponse {
    let headers = request.headers();
    let mut answer = HttpResponse::build(StatusCode::OK);
    // The kind goes along with 304 too: it decides the Content-Security-Policy, and a browser lets the headers of a 304
    // take the place of those it keeps.
    answer
        .insert_header((header::CONTENT_TYPE, file.kind.as_str()))
        .insert_header((header::ETAG, file.etag.as_str()))
        .insert_header((header::VARY, "Accept-Encoding"))
        .insert_header((
            header::CACHE_CONTROL,
            if hashed {
                "public, max-age=31536000, immutable"
            } else {
                "no-cache"
            },
        ));
    let known = headers
        .get(header::IF_NONE_MATCH)
        .and_then(|value| value.to_str().ok());
    if known.is_some_and(|list| {
        list.split(',')
            .any(|tag| tag.trim().trim_start_matches("W/") == file.etag)
    }) {
        answer.status(StatusCode::NOT_MODIFIED);
        return answer.finish();
    }
    let body = if let Some(body) = file.brotli.as_ref().filter(|_| accepts(headers, "br")) {
        answer.insert_header((header::CONTENT_ENCODING, "br"));
        body
    } else if let Some(body) = file.gzip.as_ref().filter(|_| accepts(headers, "gzip")) {
        answer.insert_header((header::CONTENT_ENCODING, "gzip"));
        body
    } else {
        &file.plain
    };
    // For HEAD the server writes the length and leaves the body away.
    debug_assert!(matches!(*request.method(), Method::GET | Method::HEAD));
    answer.body(body.clone())
}

/// Whether the client takes this coding.
pub(super) fn accepts(headers: &HeaderMap, coding: &str) -> bool {
    headers
        .get_all(header::ACCEPT_ENCODING)
        .filter_map(|value| value.to_str().ok())
        .any(|list| {
            list.split(',').any(|item| {
                let mut parts = item.split(';').map(str::trim);
                let named = parts
                    .next()
                    .is_some_and(|name| name.eq_ignore_ascii_case(coding));
                named && !parts.any(|part| matches!(part, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"))
            })
        })
}

/// The path below the root. Canonical already; hidden files and decoded separators are refused all the same.
fn relative(path: &str) -> Option<PathBuf> {
    let mut decoded = Vec::with_capacity(path.len());
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let pair = [bytes.next()?, bytes.next()?];
            decoded.push(u8::from_str_radix(std::str::from_utf8(&pair).ok()?, 16).ok()?);
        } else {
            decoded.push(byte);
        }
    }
    let text = String::from_utf8(decoded).ok()?;
    let parts: Vec<&str> = text.split('/').filter(|part| !part.is_empty()).collect();
    let fine = parts
        .iter()
        .all(|part| !part.starts_with('.') && !part.contains(['\\', '\0']));
    fine.then(|| parts.iter().collect())
}

fn looks_like_file(path: &Path) -> bool {
    path.extension().is_some()
}

/// Vite puts everything with a hash in its name under `assets/`.
fn is_hashed(path: &Path) -> bool {
    path.starts_with("assets")
}
