//! The merged API document of all services and the page that shows it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_http::Request as ClientRequest;
use actix_web::HttpResponse;
use actix_web::http::header;
use bytes::Bytes;
use serde_json::{Map, Value, json};
use tokio::sync::Mutex;

use crate::routes::{Found, RouteTable, SERVICES};
use crate::upstream::Upstreams;

/// How long a merged document is used.
const KEPT: Duration = Duration::from_secs(60);
/// How long one is used in which a service was missing.
const KEPT_INCOMPLETE: Duration = Duration::from_secs(5);

/// Fetches and keeps the merged document.
#[derive(Debug)]
pub struct Documents {
    client: reqwest::Client,
    kept: Mutex<Option<(Instant, Duration, Bytes)>>,
}

impl Documents {
    /// An empty cache.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub fn new() -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            .timeout(Duration::from_secs(3))
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(Self {
            client,
            kept: Mutex::default(),
        })
    }

    /// `/openapi.json`.
    pub async fn merged(&self, table: &RouteTable, upstreams: &Upstreams) -> HttpResponse {
        let mut kept = self.kept.lock().await;
        let fresh = kept
            .as_ref()
            .filter(|(at, lasts, _)| at.elapsed() < *lasts)
            .map(|(_, _, bytes)| bytes.clone());
        let bytes = if let Some(bytes) = fresh {
            bytes
        } else {
            let fetched = futures_util::future::join_all(
                SERVICES
                    .iter()
                    .enumerate()
                    .map(|(index, _)| self.fetch(upstreams, index)),
            )
            .await;
            let complete = fetched
                .iter()
                .enumerate()
                .all(|(index, document)| document.is_some() || SERVICES[index] == "simulators");
            let documents = fetched
                .into_iter()
                .enumerate()
                .filter_map(|(index, found)| Some((index, found?)));
            let bytes = Bytes::from(merge(documents, table).to_string());
            *kept = Some((
                Instant::now(),
                if complete { KEPT } else { KEPT_INCOMPLETE },
                bytes.clone(),
            ));
            bytes
        };
        HttpResponse::Ok()
            .insert_header((header::CONTENT_TYPE, "application/json"))
            .insert_header((header::CACHE_CONTROL, "no-cache"))
            .body(bytes)
    }

    async fn fetch(&self, upstreams: &Upstreams, index: usize) -> Option<Value> {
        let instance = upstreams.get(index).instances.first()?;
        let url = format!("http://{}/openapi.json", instance.authority);
        let answer = self
            .client
            .get(url)
            .send()
            .await
            .ok()?
            .error_for_status()
            .ok()?;
        serde_json::from_str(&answer.text().await.ok()?).ok()
    }
}

/// One document of many: only paths that the table routes to the service that describes them; schemas of one name and
/// different content are told apart by the service's name.
pub fn merge(documents: impl Iterator<Item = (usize, Value)>, table: &RouteTable) -> Value {
    let mut paths = Map::new();
    let mut components: Map<String, Value> = Map::new();
    let mut tags = Vec::new();
    for (service, mut document) in documents {
        let name = SERVICES[service];
        rename_clashes(&mut document, &components, name);
        let mut used = false;
        for (path, item) in document
            .get("paths")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
        {
            if !is_routed_to(table, path, service) {
                continue;
            }
            let mut item = item.clone();
            for operation in item.as_object_mut().into_iter().flat_map(Map::values_mut) {
                if let Some(operation) = operation.as_object_mut() {
                    operation.insert("tags".into(), json!([name]));
                }
            }
            used = true;
            paths.insert(path.clone(), item);
        }
        for (kind, entries) in document
            .get("components")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
        {
            let target = components.entry(kind.clone()).or_insert_with(|| json!({}));
            for (key, value) in entries.as_object().into_iter().flatten() {
                if let Some(target) = target.as_object_mut() {
                    target.insert(key.clone(), value.clone());
                }
            }
        }
        if used {
            let about = document
                .pointer("/info/description")
                .cloned()
                .unwrap_or_default();
            tags.push(json!({"name": name, "description": about.as_str().unwrap_or_default()}));
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {"title": "Tabib", "version": env!("CARGO_PKG_VERSION"), "description": "The clinic platform's API: every service through its gateway."},
        "servers": [{"url": "/"}],
        "tags": tags,
        "paths": paths,
        "components": components,
    })
}

fn is_routed_to(table: &RouteTable, path: &str, service: usize) -> bool {
    // A parameter may be a number or a name: `1` matches both placeholders of the table.
    let sample: Vec<&str> = path
        .split('/')
        .map(|part| if part.starts_with('{') { "1" } else { part })
        .collect();
    match table.find(&sample.join("/"), "GET") {
        Found::Route(route) => route.service == service,
        Found::MethodNotAllowed(_) => true,
        Found::None => false,
    }
}

/// Renames this document's schemas that another service has with other content.
fn rename_clashes(document: &mut Value, components: &Map<String, Value>, service: &str) {
    let Some(own) = document
        .pointer("/components/schemas")
        .and_then(Value::as_object)
    else {
        return;
    };
    let others = components.get("schemas").and_then(Value::as_object);
    let clashes: Vec<String> = own
        .iter()
        .filter(|(key, value)| {
            others
                .and_then(|others| others.get(*key))
                .is_some_and(|other| other != *value)
        })
        .map(|(key, _)| key.clone())
        .collect();
    let title: String = service
        .split('-')
        .map(|part| part[..1].to_uppercase() + &part[1..])
        .collect();
    for key in clashes {
        let new = format!("{title}{key}");
        if let Some(schemas) = document
            .pointer_mut("/components/schemas")
            .and_then(Value::as_object_mut)
            && let Some(value) = schemas.remove(&key)
        {
            schemas.insert(new.clone(), value);
        }
        let (from, to) = (
            format!("#/components/schemas/{key}"),
            format!("#/components/schemas/{new}"),
        );
        rewrite(document, &from, &to);
    }
}

fn rewrite(value: &mut Value, from: &str, to: &str) {
    match value {
        Value::Object(map) => {
            for (key, inner) in map.iter_mut() {
                if key == "$ref" && inner == from {
                    *inner = Value::String(to.to_owned());
                } else {
                    rewrite(inner, from, to);
                }
            }
        }
        Value::Array(list) => list.iter_mut().for_each(|inner| rewrite(inner, from, to)),
        _ => {}
    }
}

/// `/api/docs/**`: Swagger UI from files inside this program.
pub fn swagger(request: &ClientRequest) -> Option<HttpResponse> {
    let path = request.uri().path();
    let tail = path.strip_prefix("/api/docs")?;
    if tail.is_empty() {
        // Its pages name their files relative to the folder.
        return Some(
            HttpResponse::PermanentRedirect()
                .insert_header((header::LOCATION, "/api/docs/"))
                .finish(),
        );
    }
    let config = Arc::new(utoipa_swagger_ui::Config::from("/openapi.json"));
    let file = utoipa_swagger_ui::serve(tail.trim_start_matches('/'), config).ok()??;
    let mut answer = HttpResponse::Ok();
    answer
        .insert_header((header::CONTENT_TYPE, file.content_type.clone()))
        .insert_header((header::CACHE_CONTROL, "no-cache"));
    Some(answer.body(file.bytes.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routes::EMBEDDED;

    #[test]
    fn documents_are_merged_without_internal_paths_and_with_clashes_told_apart() {
        let table = RouteTable::parse(EMBEDDED, true).unwrap();
        let auth = json!({"info": {}, "paths": {
            "/api/auth/me": {"get": {"responses": {"200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Me"}}}}}}},
            "/internal/revocations": {"get": {}}, "/health/ready": {"get": {}}, "/api/invoices": {"get": {}},
        }, "components": {"schemas": {"Me": {"type": "object"}, "Problem": {"type": "string"}}}});
        let portal = json!({"info": {}, "paths": {
            "/api/invoices/{id}/": {"get": {"x": {"$ref": "#/components/schemas/Me"}, "y": {"$ref": "#/components/schemas/Problem"}}},
        }, "components": {"schemas": {"Me": {"type": "integer"}, "Problem": {"type": "string"}}}});
        let merged = merge([(0, auth), (3, portal)].into_iter(), &table);
        let paths: Vec<&String> = merged["paths"].as_object().unwrap().keys().collect();
        assert_eq!(paths, ["/api/auth/me", "/api/invoices/{id}/"]);
        assert_eq!(
            merged["paths"]["/api/invoices/{id}/"]["get"]["x"]["$ref"],
            "#/components/schemas/PortalMe"
        );
        assert_eq!(
            merged["paths"]["/api/invoices/{id}/"]["get"]["y"]["$ref"],
            "#/components/schemas/Problem"
        );
        assert_eq!(
            merged["components"]["schemas"]["PortalMe"],
            json!({"type": "integer"})
        );
        assert_eq!(
            merged["paths"]["/api/auth/me"]["get"]["tags"],
            json!(["auth-otp"])
        );
    }
}
