//! Rate limits as clients meet them, with Redis and without.

use serde_json::Value;
use service_testing::{Prefix, redis_url};

use crate::harness::{Gate, Upstream, gate};

const TABLE: &str = r#"
[defaults]
callers = ["public"]
body_bytes = 1000
timeout_ms = 2000
body_timeout_ms = 2000
retry = "safe"
limits = []
every_call = "address"
language = "en"
shape = "drf"
[limits.address]
calls = 60
window_seconds = 3600
by = "ip"
[limits.login]
calls = 3
window_seconds = 3600
by = "ip"
strict = true
[limits.caller]
calls = 4
window_seconds = 3600
by = "caller"
strict = true
[[route]]
prefix = "/api/open/"
service = "portal"
[[route]]
prefix = "/api/login/"
service = "portal"
limits = ["login"]
[[route]]
prefix = "/api/mine/"
service = "portal"
callers = ["user"]
limits = ["caller"]
"#;

async fn limited(
    upstream: &Upstream,
    redis: &str,
    prefix: &Prefix,
    environment: &str,
) -> (Gate, tempfile::NamedTempFile) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), TABLE).unwrap();
    let gate = gate(
        upstream,
        &[
            ("LIMITS__ENABLED", "true"),
            ("REDIS__URL", redis),
            ("REDIS__PREFIX", prefix.as_str()),
            ("ROUTES__FILE", file.path().to_str().unwrap()),
            ("ENVIRONMENT", environment),
        ],
    )
    .await;
    (gate, file)
}

async fn statuses(gate: &Gate, path: &str, count: usize) -> Vec<u16> {
    let mut list = Vec::new();
    for _ in 0..count {
        list.push(gate.get(path).send().await.unwrap().status().as_u16());
    }
    list
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spent_limit_is_429_with_the_time_to_wait() {
    let upstream = Upstream::start().await;
    let prefix = Prefix::new();
    let (gate, _file) = limited(&upstream, &redis_url(), &prefix, "test").await;
    assert_eq!(
        statuses(&gate, "/api/login/", 4).await,
        [200, 200, 200, 429]
    );
    let answer = gate.get("/api/login/").send().await.unwrap();
    let wait: u64 = answer.headers()["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((1190..=1200).contains(&wait), "{wait}");
    assert_eq!(answer.headers()["ratelimit-policy"], "\"login\";q=3;w=3600");
    assert_eq!(
        answer.headers()["ratelimit"],
        format!("\"login\";r=0;t={wait}")
    );
    let body: Value = answer.json().await.unwrap();
    assert_eq!(
        body["detail"],
        format!("Request was throttled. Expected available in {wait} seconds.")
    );
    assert_eq!(body["code"], "request.throttled");
    assert_eq!(
        statuses(&gate, "/api/open/", 1).await,
        [200],
        "other routes are not touched"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn two_gateways_share_a_strict_limit() {
    let upstream = Upstream::start().await;
    let prefix = Prefix::new();
    let (one, _first) = limited(&upstream, &redis_url(), &prefix, "test").await;
    let (two, _second) = limited(&upstream, &redis_url(), &prefix, "test").await;
    assert_eq!(statuses(&one, "/api/login/", 2).await, [200, 200]);
    assert_eq!(statuses(&two, "/api/login/", 2).await, [200, 429]);
    assert_eq!(statuses(&one, "/api/login/", 1).await, [429]);
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_have_budgets_of_their_own() {
    let upstream = Upstream::start().await;
    let (gate, _file) = limited(&upstream, &redis_url(), &Prefix::new(), "test").await;
    for _ in 0..2 {
        let token = gate.issuer.access(|_| {});
        for expected in [200, 200, 200, 200, 429] {
            let answer = gate
                .get("/api/mine/")
                .bearer_auth(&token)
                .send()
                .await
                .unwrap();
            assert_eq!(answer.status(), expected);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_counts_for_its_address() {
    let upstream = Upstream::start().await;
    let (gate, _file) = limited(&upstream, &redis_url(), &Prefix::new(), "test").await;
    let list = statuses(&gate, "/api/open/", 80).await;
    let passed = list.iter().filter(|status| **status == 200).count();
    assert!(
        (60..=63).contains(&passed),
        "at most one lease over: {passed}"
    );
    assert_eq!(list.last(), Some(&429));
}

#[tokio::test(flavor = "multi_thread")]
async fn q_g5_without_redis_the_limits_hold_in_the_process() {
    let upstream = Upstream::start().await;
    let (gate, _file) = limited(&upstream, "redis://127.0.0.1:1/0", &Prefix::new(), "test").await;
    assert_eq!(
        statuses(&gate, "/api/login/", 5).await,
        [200, 200, 200, 429, 429]
    );
    assert_eq!(statuses(&gate, "/api/open/", 3).await, [200, 200, 200]);
}

#[tokio::test(flavor = "multi_thread")]
async fn development_is_a_hundred_times_wider() {
    let upstream = Upstream::start().await;
    let (gate, _file) = limited(&upstream, &redis_url(), &Prefix::new(), "development").await;
    assert!(
        statuses(&gate, "/api/login/", 30)
            .await
            .iter()
            .all(|status| *status == 200)
    );
}
