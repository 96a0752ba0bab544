//! Requests and answers pass whole: methods, statuses, queries, streams.

use std::time::{Duration, Instant};

use futures_util::StreamExt;

use crate::harness::{Upstream, eventually, gate, status_of};

#[tokio::test(flavor = "multi_thread")]
async fn methods_bodies_and_queries_arrive_as_they_were_sent() {
    let upstream = Upstream::start().await;
    let gate = gate(&upstream, &[]).await;
    let token = gate.issuer.access(|_| {});
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let answer = gate
            .client
            .request(
                method.clone(),
                gate.url("/api/invoices/12/?page=2&search=%D8%B9%20x&a=b+c"),
            )
            .bearer_auth(&token)
            .header("Content-Type", "application/json")
            .header("Accept-Language", "fa")
            .header("Idempotency-Key", "k-1")
            .body(if method == "GET" { "" } else { "{\"a\":1}" })
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 200);
        let seen = upstream.last();
        assert_eq!(seen.method, method.as_str());
        assert_eq!(
            seen.target,
            "/api/invoices/12/?page=2&search=%D8%B9%20x&a=b+c"
        );
        assert_eq!(seen.body, if method == "GET" { 0 } else { 7 });
        assert_eq!(seen.header("idempotency-key"), Some("k-1"));
        assert_eq!(seen.header("accept-language"), Some("fa"));
        assert_eq!(seen.header("content-type"), Some("application/json"));
    }
    let answer = gate
        .client
        .request(reqwest::Method::TRACE, gate.url("/api/invoices/"))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 405);
}

#[tokio::test(flavor = "multi_thread")]
async fn statuses_and_empty_bodies_come_back_and_connections_are_kept() {
    let upstream = Upstream::start().await;
    let gate = gate(&upstream, &[("SERVER__WORKERS", "1")]).await;
    let token = gate.issuer.access(|_| {});
    // Probes open connections of their own: stop counting from the first call on the kept ones.
    let mut own = 0;
    for status in [200, 201, 204, 304, 400, 402, 404, 409, 422, 500, 503] {
        let answer = gate
            .get(&format!("/api/invoices/status/{status}/"))
            .bearer_auth(&token)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), status);
        let _ = answer.bytes().await.unwrap();
        own += 1;
    }
    assert_eq!(upstream.count(), own);
    let head = gate
        .raw(format!("HEAD /api/invoices/big/1000/ HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n").as_bytes())
        .await;
    assert_eq!(status_of(&head), 200);
    assert!(
        head.contains("content-length: 1000") && head.ends_with("\r\n\r\n"),
        "{head}"
    );
    assert_eq!(
        gate.get(&format!("/api/invoices/{}/", 1))
            .bearer_auth(&token)
            .send()
            .await
            .unwrap()
            .status(),
        200
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_streams_while_it_is_made() {
    let upstream = Upstream::start().await;
    let gate = gate(&upstream, &[]).await;
    let answer = gate.get_as_user("/api/ai/chunks/20/").send().await.unwrap();
    let started = Instant::now();
    let mut chunks = answer.bytes_stream();
    let first = chunks.next().await.unwrap().unwrap();
    let first_at = started.elapsed();
    assert!(first.starts_with(b"part 0"));
    let mut rest = 0;
    while let Some(chunk) = chunks.next().await {
        rest += chunk.unwrap().len();
    }
    assert!(rest > 100);
    assert!(
        started.elapsed() > first_at + Duration::from_millis(100),
        "the first part did not wait for the last"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_ends_the_call() {
    let upstream = Upstream::start().await;
    let gate = gate(&upstream, &[]).await;
    let answer = gate
        .get_as_user("/api/reports/download/big/500000000/")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    drop(answer);
    let shared = gate.shared();
    eventually(|| {
        shared
            .upstreams
            .services()
            .iter()
            .all(|service| service.in_flight.load(std::sync::atomic::Ordering::SeqCst) == 0)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_calls_at_once_get_their_own_answers() {
    let upstream = Upstream::start().await;
    let gate = gate(&upstream, &[]).await;
    let token = gate.issuer.access(|_| {});
    let answers: Vec<bool> = futures_util::stream::iter(0..500)
        .map(|index| {
            let (gate, token) = (&gate, &token);
            async move {
                let path = format!("/api/invoices/{index}/");
                let answer = gate.get(&path).bearer_auth(token).send().await.unwrap();
                answer.text().await.unwrap().contains(&path)
            }
        })
        .buffer_unordered(64)
        .collect()
        .await;
    assert!(answers.into_iter().all(|own| own));
    assert_eq!(upstream.count(), 500);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_goes_on_under_a_span_and_a_decision_of_our_own() {
    const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736";
    const SPAN: &str = "00f067aa0ba902b7";
    let upstream = Upstream::start().await;
    for (ratio, flags) in [("0", "00"), ("1", "01")] {
        let gate = gate(&upstream, &[("TRACES__RATIO", ratio)]).await;
        let ask = |traceparent: String| {
            gate.get_as_user("/api/auth/me/")
                .header("traceparent", traceparent)
                .send()
        };
        // The client asks for the opposite.
        let wish = if ratio == "0" { "01" } else { "00" };
        ask(format!("{TRACE}-{SPAN}-{wish}")).await.unwrap();
        let seen = upstream.last();
        let sent = seen.header("traceparent").unwrap();
        assert!(sent.starts_with(TRACE) && sent.ends_with(flags), "{sent}");
        assert!(!sent.contains(SPAN), "{sent}");
        ask("00-nonsense".to_owned()).await.unwrap();
        let seen = upstream.last();
        let fresh = seen.header("traceparent").unwrap();
        assert_eq!(fresh.len(), 55, "{fresh}");
        assert!(
            fresh.ends_with(flags) && !fresh.starts_with(TRACE),
            "{fresh}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_id_that_could_forge_log_lines_is_replaced() {
    let upstream = Upstream::start().await;
    let gate = gate(&upstream, &[]).await;
    for (given, kept) in [
        ("clinic-7.a_B".to_owned(), true),
        ("x".repeat(128), true),
        ("x".repeat(129), false),
        ("two words".to_owned(), false),
        ("a\tb".to_owned(), false),
        ("{\"a\":1}".to_owned(), false),
    ] {
        let answer = gate
            .get_as_user("/api/auth/me/")
            .header("X-Request-ID", &given)
            .send()
            .await
            .unwrap();
        let told = answer.headers()["x-request-id"].to_str().unwrap();
        assert_eq!(told == given, kept, "{given}: {told}");
        assert_eq!(upstream.last().header("x-request-id"), Some(told));
    }
    // Refusals of the gateway itself carry one too.
    let refused = gate.get("/api/auth/me/").send().await.unwrap();
    assert_eq!(refused.status(), 401);
    assert!(refused.headers().contains_key("x-request-id"));
}
