//! HTML pages and their assets: escaped templates, a strict content policy, files named by their hash.

use actix_web::{HttpResponse, http::StatusCode, web};
use base64::Engine;
use minijinja::Environment;
use serde::Serialize;
use sha2::{Digest, Sha256};

/// `default-src 'none'`: pages use only their own style and script files; nothing inline, nothing from elsewhere.
/// `form-action` must name other origins, because browsers apply it to the redirect that follows a posted form.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; \
                      form-action 'self' http: https:; base-uri 'none'; frame-ancestors 'none'";

struct Asset {
    name: &'static str,
    media_type: &'static str,
    body: &'static str,
}

const ASSETS: [Asset; 3] = [
    Asset {
        name: "inbox.css",
        media_type: "text/css; charset=utf-8",
        body: include_str!("../assets/inbox.css"),
    },
    Asset {
        name: "inbox.js",
        media_type: "text/javascript; charset=utf-8",
        body: include_str!("../assets/inbox.js"),
    },
    Asset {
        name: "pay.css",
        media_type: "text/css; charset=utf-8",
        body: include_str!("../assets/pay.css"),
    },
];

/// Reference to an asset in a page: the file name carries its hash, the page also states the whole digest.
#[derive(Serialize, Clone)]
pub(crate) struct AssetRef {
    href: String,
    integrity: String,
}

#[derive(Serialize, Clone)]
struct AssetRefs {
    inbox_css: AssetRef,
    inbox_js: AssetRef,
    pay_css: AssetRef,
}

/// Templates and asset references, built once.
pub(crate) struct Pages {
    templates: Environment<'static>,
    assets: AssetRefs,
}

fn hashed_name(asset: &Asset) -> String {
    let hash = hex::encode(&Sha256::digest(asset.body)[..6]);
    let (stem, extension) = asset.name.split_once('.').unwrap_or((asset.name, ""));
    format!("{stem}.{hash}.{extension}")
}

fn reference(name: &str) -> AssetRef {
    let asset = ASSETS
        .iter()
        .find(|asset| asset.name == name)
        .unwrap_or(&ASSETS[0]);
    AssetRef {
        href: format!("/dev/inbox/assets/{}", hashed_name(asset)),
        integrity: format!(
            "sha256-{}",
            base64::engine::general_purpose::STANDARD.encode(Sha256::digest(asset.body))
        ),
    }
}

impl Pages {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let mut templates = Environment::new();
        templates.add_template("inbox.html", include_str!("../templates/inbox.html"))?;
        templates.add_template("pay.html", include_str!("../templates/pay.html"))?;
        Ok(Self {
            templates,
            assets: AssetRefs {
                inbox_css: reference("inbox.css"),
                inbox_js: reference("inbox.js"),
                pay_css: reference("pay.css"),
            },
        })
    }

    /// Renders `template` with `values` and answers it with the strict policy.
    pub(crate) fn answer(
        &self,
        status: StatusCode,
        template: &str,
        values: impl Serialize,
    ) -> HttpResponse {
        let rendered = self.templates.get_template(template).and_then(|page| {
            page.render(minijinja::context! {
                assets => minijinja::value::Serde(&self.assets),
                page => minijinja::value::Serde(&values),
            })
        });
        match rendered {
            Ok(html) => HttpResponse::build(status)
                .content_type("text/html; charset=utf-8")
                .insert_header(("content-security-policy", POLICY))
                .insert_header(("x-content-type-options", "nosniff"))
                .insert_header(("referrer-policy", "no-referrer"))
                .insert_header(("cache-control", "no-store"))
                .body(html),
            Err(error) => {
                tracing::error!(%error, template, "a page could not be rendered");
                HttpResponse::InternalServerError().body("The page could not be shown.")
            }
        }
    }
}

/// `GET /dev/inbox/assets/{file}`.
pub(crate) async fn asset(file: web::Path<String>) -> HttpResponse {
    match ASSETS.iter().find(|asset| hashed_name(asset) == *file) {
        Some(asset) => HttpResponse::Ok()
            .content_type(asset.media_type)
            .insert_header(("cache-control", "public, max-age=31536000, immutable"))
            .insert_header(("x-content-type-options", "nosniff"))
            .body(asset.body),
        None => HttpResponse::NotFound().finish(),
    }
}
