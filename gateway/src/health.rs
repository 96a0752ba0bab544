//! Health of the gateway and, through it, of the platform.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use actix_web::HttpResponse;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::handler::Shared;
use crate::routes::SERVICES;
use crate::upstream::breaker::BreakerState;

/// How long an answer about the platform is used.
const KEPT: Duration = Duration::from_secs(1);

/// Asks the services how they are.
#[derive(Debug)]
pub struct Platform {
    client: reqwest::Client,
    kept: Mutex<Option<(Instant, BTreeMap<&'static str, Value>)>>,
}

impl Platform {
    /// Nothing asked yet.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub fn new() -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            .timeout(Duration::from_secs(2))
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(Self {
            client,
            kept: Mutex::default(),
        })
    }

    /// `/health/`, in Contexor's shape (wire.md 6.2): `database` and `cache` are ok when every service says so of its
    /// own; a service that does not answer makes both unknown, which is an error.
    pub async fn contexor(&self, shared: &Shared) -> HttpResponse {
        let answers = self.ask(shared).await;
        let word = |names: [&str; 2]| {
            let good = answers.values().all(|answer| {
                names.iter().any(|name| {
                    answer
                        .pointer(&format!("/checks/{name}/status"))
                        .is_some_and(|word| word == "ok")
                })
            });
            if good && !answers.is_empty() {
                "ok"
            } else {
                "error"
            }
        };
        let (database, cache) = (word(["database", "postgres"]), word(["redis", "cache"]));
        let healthy = database == "ok" && cache == "ok";
        let body = json!({
            "status": if healthy { "healthy" } else { "unhealthy" },
            "services": {"database": database, "cache": cache},
        });
        if healthy {
            HttpResponse::Ok().json(body)
        } else {
            HttpResponse::ServiceUnavailable().json(body)
        }
    }

    async fn ask(&self, shared: &Shared) -> BTreeMap<&'static str, Value> {
        let mut kept = self.kept.lock().await;
        if let Some((at, answers)) = kept.as_ref()
            && at.elapsed() < KEPT
        {
            return answers.clone();
        }
        let questions = shared
            .upstreams
            .services()
            .iter()
            .filter(|service| service.name != "simulators")
            .map(|service| async {
                let best = service
                    .instances
                    .iter()
                    .max_by_key(|instance| instance.ready.load(Ordering::Relaxed));
                let Some(instance) = best else {
                    return (service.name, Value::Null);
                };
                let url = format!("http://{}/health/ready", instance.authority);
                let answer = match self.client.get(url).send().await {
                    Ok(answer) => answer
                        .text()
                        .await
                        .ok()
                        .and_then(|text| serde_json::from_str(&text).ok()),
                    Err(_) => None,
                };
                (service.name, answer.unwrap_or(Value::Null))
            });
        let answers: BTreeMap<_, _> = futures_util::future::join_all(questions)
            .await
            .into_iter()
            .collect();
        *kept = Some((Instant::now(), answers.clone()));
        answers
    }
}

/// `/health/live`: this process answers.
pub fn live() -> HttpResponse {
    HttpResponse::Ok().json(json!({"service": "gateway", "status": "live"}))
}

/// `/health/ready`: it can check tokens and is not stopping. A service that is away is not the gateway's unreadiness.
pub fn ready(shared: &Shared) -> HttpResponse {
    let stopping = shared.stopping.is_cancelled() || shared.draining.load(Ordering::Relaxed);
    let keys = shared.verifier.has_keys();
    let status = match (stopping, keys) {
        (true, _) => "draining",
        (false, true) => "ready",
        (false, false) => "not ready",
    };
    let check = if keys {
        json!({"status": "ok"})
    } else {
        json!({"status": "failed", "error": "no signing keys fetched yet"})
    };
    let body = json!({"service": "gateway", "status": status, "checks": {"keys": check}});
    if status == "ready" {
        HttpResponse::Ok().json(body)
    } else {
        HttpResponse::ServiceUnavailable().json(body)
    }
}

/// `/api/status/`, for operators: instances, load, breakers, routes.
pub fn status(shared: &Shared) -> HttpResponse {
    let table = shared.table.load();
    let services: Vec<Value> = shared
        .upstreams
        .services()
        .iter()
        .map(|service| {
            let instances: Vec<Value> = service
                .instances
                .iter()
                .map(|instance| {
                    json!({
                        "address": instance.authority,
                        "ready": instance.ready.load(Ordering::Relaxed),
                        "in_flight": instance.in_flight.load(Ordering::Relaxed),
                        "breaker": match instance.breaker.state() {
                            BreakerState::Closed => "closed",
                            BreakerState::Open => "open",
                            BreakerState::HalfOpen => "half_open",
                        },
                    })
                })
                .collect();
            json!({
                "name": service.name,
                "in_flight": service.in_flight.load(Ordering::Relaxed),
                "websockets": service.websockets.load(Ordering::Relaxed),
                "instances": instances,
            })
        })
        .collect();
    let routes: Vec<Value> = table
        .routes()
        .iter()
        .map(|route| {
            json!({
                "prefix": route.prefix,
                "service": SERVICES[route.service],
                "callers": route.callers.iter().map(|caller| format!("{caller:?}").to_lowercase()).collect::<Vec<_>>(),
                "methods": route.methods,
                "body_bytes": route.body_bytes,
                "timeout_ms": u64::try_from(route.timeout.as_millis()).unwrap_or(u64::MAX),
                "limits": route.limits.iter().map(|limit| &limit.name).collect::<Vec<_>>(),
            })
        })
        .collect();
    HttpResponse::Ok().json(json!({
        "environment": shared.settings.environment.as_str(),
        "version": env!("CARGO_PKG_VERSION"),
        "services": services,
        "routes": routes,
    }))
}
