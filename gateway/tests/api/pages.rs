//! What the gateway answers itself: health, documents, the web application.

use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use crate::harness::{Upstream, eventually, gate, status_of};

#[tokio::test(flavor = "multi_thread")]
async fn health_in_contexors_shape_tells_the_truth() {
    let upstream = Upstream::start().await;
    let gate = gate(&upstream, &[]).await;
    let answer = gate.get("/health/").send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(
        answer.json::<Value>().await.unwrap(),
        json!({"status": "healthy", "services": {"database": "ok", "cache": "ok"}})
    );
    upstream.log.unready.store(true, Ordering::SeqCst);
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    let answer = gate.get("/health/").send().await.unwrap();
    assert_eq!(answer.status(), 503);
    assert_eq!(
        answer.json::<Value>().await.unwrap(),
        json!({"status": "unhealthy", "services": {"database": "error", "cache": "ok"}})
    );
    assert_eq!(gate.get("/health/live").send().await.unwrap().status(), 200);
    assert_eq!(
        gate.get("/health/ready").send().await.unwrap().status(),
        200
    );
    assert_eq!(gate.post("/health/").send().await.unwrap().status(), 405);
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_metrics_and_status() {
    let upstream = Upstream::start().await;
    let gate = gate(&upstream, &[]).await;
    let document: Value = gate
        .get("/openapi.json")
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert!(document["paths"].get("/api/auth/me").is_some());
    assert!(document["paths"].get("/internal/x").is_none());
    let docs = gate.get("/api/docs/").send().await.unwrap();
    assert_eq!(docs.status(), 200);
    assert!(
        docs.headers()["content-security-policy"]
            .to_str()
            .unwrap()
            .contains("script-src 'self'")
    );
    let page = docs.text().await.unwrap();
    assert!(
        page.contains("swagger-ui-bundle.js") && !page.contains("http://") && !page.contains("cdn"),
        "{page}"
    );
    assert_eq!(
        gate.get("/api/docs/swagger-ui-bundle.js")
            .send()
            .await
            .unwrap()
            .status(),
        200
    );
    assert_eq!(gate.get("/api/docs").send().await.unwrap().status(), 308);
    let redoc = gate.get("/api/redoc/").send().await.unwrap();
    assert_eq!(redoc.status(), 200);
    let policy = redoc.headers()["content-security-policy"].to_str().unwrap();
    assert!(
        policy.contains("script-src 'self';") && !policy.contains("unsafe-eval"),
        "{policy}"
    );
    let page = redoc.text().await.unwrap();
    assert!(
        page.contains("/api/redoc/start.js") && !page.contains("http"),
        "{page}"
    );
    let plain = gate
        .get("/api/redoc/redoc.standalone.js")
        .send()
        .await
        .unwrap();
    assert_eq!(
        plain.headers()["content-type"],
        "text/javascript; charset=utf-8"
    );
    assert!(plain.bytes().await.unwrap().len() > 1_000_000);
    let packed = gate
        .get("/api/redoc/redoc.standalone.js")
        .header("Accept-Encoding", "gzip")
        .send()
        .await
        .unwrap();
    assert_eq!(packed.headers()["content-encoding"], "gzip");
    assert!(packed.bytes().await.unwrap().len() < 500_000);
    assert_eq!(
        gate.get("/api/redoc/x.js").send().await.unwrap().status(),
        404
    );
    assert_eq!(gate.get("/api/status/").send().await.unwrap().status(), 401);
    assert_eq!(
        gate.get_as_user("/api/status/")
            .send()
            .await
            .unwrap()
            .status(),
        403
    );
    let superuser = gate.issuer.access(|claims| claims.superuser = true);
    let status: Value = gate
        .get("/api/status/")
        .bearer_auth(superuser)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(status["services"][0]["instances"][0]["breaker"], "closed");
    let routes = status["routes"].as_array().unwrap();
    assert_eq!(routes.len(), gate.shared().table.load().routes().len());
    let invoices = routes
        .iter()
        .find(|route| route["prefix"] == "/api/invoices")
        .unwrap();
    assert_eq!(
        (&invoices["service"], &invoices["limits"]),
        (&json!("portal"), &json!(["caller", "organization"]))
    );
    assert_eq!(gate.get("/metrics").send().await.unwrap().status(), 200);
    let outside = gate
        .get("/metrics")
        .header("X-Forwarded-For", "9.9.9.9")
        .send()
        .await
        .unwrap();
    assert_eq!(outside.status(), 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_page_stands_until_the_application_is_built() {
    let upstream = Upstream::start().await;
    let gate = gate(&upstream, &[]).await;
    let page = gate.get("/").send().await.unwrap();
    assert_eq!(page.status(), 200);
    let policy = page.headers()["content-security-policy"]
        .to_str()
        .unwrap()
        .to_owned();
    assert!(
        policy.contains("script-src 'self'") && policy.contains("frame-ancestors 'none'"),
        "{policy}"
    );
    assert!(page.text().await.unwrap().contains("طبیب"));
    assert_eq!(gate.get("/login").send().await.unwrap().status(), 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_application_is_served_with_fallback_caching_and_compression() {
    let upstream = Upstream::start().await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("assets")).unwrap();
    std::fs::write(
        folder.path().join("index.html"),
        "<!doctype html><title>app</title>",
    )
    .unwrap();
    std::fs::write(
        folder.path().join("patient.html"),
        "<!doctype html><title>patient</title>",
    )
    .unwrap();
    std::fs::write(
        folder.path().join("assets/app-1a2b.js"),
        "const a = 1;\n".repeat(500),
    )
    .unwrap();
    std::fs::write(folder.path().join("assets/app-1a2b.js.br"), "brotli").unwrap();
    std::fs::write(folder.path().join(".env"), "SECRET").unwrap();
    let gate = gate(
        &upstream,
        &[("WEB__DIRECTORY", folder.path().to_str().unwrap())],
    )
    .await;
    for path in ["/", "/login", "/invoices/12", "/chat/7/", "/chat/room"] {
        let page = gate.get(path).send().await.unwrap();
        assert_eq!(page.status(), 200, "{path}");
        assert_eq!(page.headers()["cache-control"], "no-cache");
        assert_eq!(page.headers()["content-type"], "text/html; charset=utf-8");
        assert!(page.text().await.unwrap().contains("<title>app"), "{path}");
    }
    assert!(
        gate.get("/patient/reports")
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap()
            .contains("<title>patient")
    );
    for path in [
        "/missing.js",
        "/assets/none.js",
        "/.env",
        "/api/x",
        "/assets/.hidden",
    ] {
        assert_eq!(gate.get(path).send().await.unwrap().status(), 404, "{path}");
    }
    assert_eq!(gate.post("/login").send().await.unwrap().status(), 404);
    let script = gate.get("/assets/app-1a2b.js").send().await.unwrap();
    assert_eq!(
        script.headers()["cache-control"],
        "public, max-age=31536000, immutable"
    );
    assert!(script.headers().get("content-encoding").is_none());
    let etag = script.headers()["etag"].clone();
    let gzip = gate
        .get("/assets/app-1a2b.js")
        .header("Accept-Encoding", "gzip")
        .send()
        .await
        .unwrap();
    assert_eq!(gzip.headers()["content-encoding"], "gzip");
    assert!(gzip.bytes().await.unwrap().len() < 500);
    let brotli = gate
        .get("/assets/app-1a2b.js")
        .header("Accept-Encoding", "gzip, br")
        .send()
        .await
        .unwrap();
    assert_eq!(brotli.headers()["content-encoding"], "br");
    assert_eq!(brotli.headers()["vary"], "Accept-Encoding");
    let known = gate
        .get("/assets/app-1a2b.js")
        .header("If-None-Match", &etag)
        .send()
        .await
        .unwrap();
    assert_eq!(known.status(), 304);
    let head = gate
        .raw(b"HEAD /login HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n")
        .await;
    assert_eq!(status_of(&head), 200);
    assert!(
        head.ends_with("\r\n\r\n") && head.contains("content-length: 33"),
        "{head}"
    );
    // A new build is seen without a restart.
    std::fs::write(
        folder.path().join("index.html"),
        "<!doctype html><title>second build</title>",
    )
    .unwrap();
    assert!(
        gate.get("/login")
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap()
            .contains("second build")
    );
    assert_eq!(upstream.count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_hosts_are_refused_where_a_list_is_set() {
    let upstream = Upstream::start().await;
    let gate = gate(&upstream, &[("CLIENTS__ALLOWED_HOSTS", "clinic.test")]).await;
    for (host, status) in [
        ("clinic.test", 200),
        ("CLINIC.test:8080", 200),
        ("evil.test", 400),
        ("clinic.test.evil", 400),
    ] {
        let request = format!(
            "POST /api/auth/otp/x/ HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        );
        assert_eq!(
            status_of(&gate.raw(request.as_bytes()).await),
            status,
            "{host}"
        );
    }
    let probe = gate
        .raw(b"GET /health/live HTTP/1.1\r\nHost: 10.0.0.7:8080\r\nConnection: close\r\n\r\n")
        .await;
    assert_eq!(status_of(&probe), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn development_pages_are_served_outside_production_only() {
    let upstream = Upstream::start().await;
    let development = gate(&upstream, &[("ENVIRONMENT", "development")]).await;
    assert_eq!(
        development
            .get("/dev/inbox/messages/?to=0912")
            .send()
            .await
            .unwrap()
            .status(),
        200
    );
    let production = gate(&upstream, &[("ENVIRONMENT", "production")]).await;
    assert_eq!(
        production
            .get("/dev/inbox/messages/")
            .send()
            .await
            .unwrap()
            .status(),
        404
    );
    eventually(|| upstream.count() == 1).await;
}
