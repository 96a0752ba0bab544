//! Liveness and readiness.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use actix_web::{HttpResponse, web};
use futures_util::future::{BoxFuture, join_all};
use serde_json::{Map, Value, json};

/// How long one check may take.
const CHECK_TIMEOUT: Duration = Duration::from_secs(1);

/// One thing that must work before requests are taken.
#[derive(Clone)]
pub struct Check {
    name: &'static str,
    run: Arc<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>,
}

impl fmt::Debug for Check {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Check").field(&self.name).finish()
    }
}

impl Check {
    /// A check with a name; an error's text must hold no secret.
    pub fn new<F, R>(name: &'static str, run: F) -> Self
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), String>> + Send + 'static,
    {
        Self {
            name,
            run: Arc::new(move || Box::pin(run())),
        }
    }
}

/// The state of this process; cloning shares it.
#[derive(Clone, Debug)]
pub struct Health {
    service: &'static str,
    checks: Arc<Vec<Check>>,
    draining: Arc<AtomicBool>,
}

impl Health {
    /// The health of `service`.
    pub fn new(service: &'static str, checks: Vec<Check>) -> Self {
        Self {
            service,
            checks: Arc::new(checks),
            draining: Arc::default(),
        }
    }

    /// From now on readiness says no, so that no new requests are sent here.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Runs every check, in parallel, each at most a second.
    pub async fn check(&self) -> (bool, Value) {
        let results = join_all(self.checks.iter().map(|check| async move {
            let started = Instant::now();
            let outcome = match tokio::time::timeout(CHECK_TIMEOUT, (check.run)()).await {
                Ok(outcome) => outcome,
                Err(_) => Err("no answer within 1 s".to_owned()),
            };
            (check.name, outcome, started.elapsed())
        }))
        .await;
        let draining = self.draining.load(Ordering::Relaxed);
        let ready = !draining && results.iter().all(|(_, outcome, _)| outcome.is_ok());
        let mut checks = Map::new();
        for (name, outcome, took) in results {
            let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
            checks.insert(
                name.to_owned(),
                match outcome {
                    Ok(()) => json!({"status": "ok", "ms": millis}),
                    Err(error) => json!({"status": "failed", "ms": millis, "error": error}),
                },
            );
        }
        let status = if draining {
            "draining"
        } else if ready {
            "ready"
        } else {
            "not ready"
        };
        (
            ready,
            json!({"service": self.service, "status": status, "checks": checks}),
        )
    }
}

/// `/health/live`: this process answers.
pub(crate) async fn live(health: web::Data<Health>) -> HttpResponse {
    HttpResponse::Ok().json(json!({"service": health.service, "status": "live"}))
}

/// `/health/ready`: 200 when every check passes, else 503 naming those that do not.
pub(crate) async fn ready(health: web::Data<Health>) -> HttpResponse {
    let (ready, body) = health.check().await;
    if ready {
        HttpResponse::Ok().json(body)
    } else {
        HttpResponse::ServiceUnavailable().json(body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn readiness_names_what_fails_and_says_no_while_draining() {
        let ok = Check::new("database", || async { Ok(()) });
        let bad = Check::new("redis", || async { Err("refused".to_owned()) });
        let (ready, body) = Health::new("x", vec![ok.clone(), bad]).check().await;
        assert!(!ready);
        assert_eq!(body["checks"]["redis"]["error"], "refused");
        assert_eq!(body["checks"]["database"]["status"], "ok");

        let health = Health::new("x", vec![ok]);
        assert!(health.check().await.0);
        health.drain();
        assert_eq!(health.check().await, (false, health.check().await.1));
    }

    #[tokio::test]
    async fn a_check_that_hangs_fails_after_a_second() {
        let stuck = Check::new("broker", std::future::pending);
        let (ready, body) = Health::new("x", vec![stuck]).check().await;
        assert!(!ready);
        assert_eq!(body["checks"]["broker"]["error"], "no answer within 1 s");
    }
}
