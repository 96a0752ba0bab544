use std::{sync::atomic::Ordering, time::Duration};

use serde_json::Value;
use service_config::Sources;
use service_http::{ServiceApp, cli, server};
use service_testing::{TestService, eventually};
use tokio::{io::AsyncWriteExt, net::TcpStream};

use crate::fixture::Fixture;

#[tokio::test(flavor = "multi_thread")]
async fn health_names_each_part() {
    let service = TestService::<Fixture>::start().await;
    let ready = service.get("/health/ready/").send().await.unwrap();
    assert_eq!(ready.status(), 200);
    let body: Value = ready.json().await.unwrap();
    for part in ["database", "redis", "keys"] {
        assert_eq!(body["checks"][part]["status"], "ok", "{part}");
    }
    assert_eq!(
        service.get("/health/live").send().await.unwrap().status(),
        200
    );
    let metrics = service.get("/metrics").send().await.unwrap();
    assert_eq!(metrics.status(), 200);
    assert_eq!(
        service.get("/openapi.json").send().await.unwrap().status(),
        200
    );
    service.stack.db.close();
    let ready = service.get("/health/ready").send().await.unwrap();
    assert_eq!(ready.status(), 503);
    let body: Value = ready.json().await.unwrap();
    assert_eq!(body["checks"]["database"]["status"], "failed");
    assert_eq!(
        service.get("/health/live").send().await.unwrap().status(),
        200,
        "live, not ready"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_lets_running_requests_finish() {
    let service = TestService::<Fixture>::start().await;
    let second = server::spawn(ServiceApp::of::<Fixture>(
        service.stack.clone(),
        service.state.clone(),
    ))
    .unwrap();
    let slow = tokio::spawn(
        reqwest::Client::new()
            .post(format!("{}/slow", second.base_url()))
            .send(),
    );
    tokio::time::sleep(Duration::from_millis(300)).await;
    second.drain().await;
    assert_eq!(slow.await.unwrap().unwrap().text().await.unwrap(), "done");
}

#[tokio::test(flavor = "multi_thread")]
async fn q_f4_a_client_that_breaks_off_does_not_stop_the_handler() {
    let service = TestService::<Fixture>::start().await;
    let mut stream = TcpStream::connect(service.base.trim_start_matches("http://"))
        .await
        .unwrap();
    stream
        .write_all(b"POST /slow HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    // A reset instead of an orderly end.
    stream.set_zero_linger().unwrap();
    drop(stream);
    eventually(Duration::from_secs(5), async || {
        service.state.finished.load(Ordering::SeqCst) == 1
    })
    .await;
}

#[test]
fn settings_that_cannot_be_used_are_named() {
    let missing =
        cli::load::<Fixture>(Sources::from_map([("FIXTURE__AUTH__ISSUER", "x")])).unwrap_err();
    assert!(missing.to_string().contains("FIXTURE__"), "{missing}");
    let unknown =
        cli::load::<Fixture>(Sources::from_map([("FIXTURE__SERVRE__PORT", "1")])).unwrap_err();
    assert!(
        unknown.to_string().to_lowercase().contains("servre"),
        "{unknown}"
    );
}
