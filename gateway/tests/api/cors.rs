//! Which foreign origins may read answers.

use crate::harness::{Upstream, gate};

#[tokio::test(flavor = "multi_thread")]
async fn only_listed_origins_may_read_answers() {
    let upstream = Upstream::start().await;
    let gate = gate(&upstream, &[("CORS__ORIGINS", "https://app.clinic.test")]).await;
    let preflight = |origin: &str| {
        gate.client
            .request(reqwest::Method::OPTIONS, gate.url("/api/v1/contents"))
            .header("Origin", origin.to_owned())
            .header("Access-Control-Request-Method", "PATCH")
            .header(
                "Access-Control-Request-Headers",
                "authorization,content-type",
            )
            .send()
    };
    let good = preflight("https://app.clinic.test").await.unwrap();
    assert_eq!(good.status(), 204);
    assert_eq!(
        good.headers()["access-control-allow-origin"],
        "https://app.clinic.test"
    );
    assert!(
        good.headers()["access-control-allow-methods"]
            .to_str()
            .unwrap()
            .contains("PATCH")
    );
    assert!(
        good.headers()["access-control-allow-headers"]
            .to_str()
            .unwrap()
            .contains("authorization")
    );
    for foreign in [
        "https://evil.test",
        "null",
        "http://app.clinic.test",
        "https://app.clinic.test.evil.test",
    ] {
        let bad = preflight(foreign).await.unwrap();
        assert!(
            !bad.headers().contains_key("access-control-allow-origin"),
            "{foreign}"
        );
        assert!(
            !bad.headers().contains_key("access-control-allow-methods"),
            "{foreign}"
        );
    }
    let answer = gate
        .get_as_user("/api/auth/me/")
        .header("Origin", "https://app.clinic.test")
        .send()
        .await
        .unwrap();
    assert_eq!(
        answer.headers()["access-control-allow-origin"],
        "https://app.clinic.test"
    );
    assert_eq!(answer.headers()["vary"], "Origin");
    let refused = gate
        .get("/api/auth/me/")
        .header("Origin", "https://app.clinic.test")
        .send()
        .await
        .unwrap();
    assert_eq!(refused.status(), 401);
    assert_eq!(
        refused.headers()["access-control-allow-origin"],
        "https://app.clinic.test",
        "errors are readable too"
    );
    let options = gate
        .client
        .request(reqwest::Method::OPTIONS, gate.url("/.well-known/jwks.json"))
        .send()
        .await
        .unwrap();
    assert_eq!(
        (
            options.status().as_u16(),
            options.headers()["allow"].to_str().unwrap()
        ),
        (204, "GET, HEAD")
    );
}
