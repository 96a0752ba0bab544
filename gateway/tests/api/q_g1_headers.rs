//! Q-G1: identity and forwarding headers come from the gateway alone, in whatever spelling a client tries.

use std::net::IpAddr;

use crate::harness::{CLIENT_IP_KEY, Upstream, gate, status_of};

/// Names only the gateway may use, or that no service may be told by a client.
const NAMES: [&str; 34] = [
    "X-Tabib-Client-Ip",
    "X-Tabib-User",
    "X-Tabib-Org",
    "X-TABIB-CLIENT-IP",
    "x-tabib-client-ip",
    "X_Tabib_Client_Ip",
    "X-Tabib_Client-Ip",
    "X-User-Id",
    "X-User-Role",
    "X-USER-ID",
    "X_User_Id",
    "X-User_Id",
    "X-UserId",
    "X-Username",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
    "X-Forwarded-Uri",
    "X-Forwarded-Prefix",
    "X-Forwarded-User",
    "X_Forwarded_For",
    "x-forwarded-for",
    "Forwarded",
    "X-Real-IP",
    "X_Real_IP",
    "True-Client-IP",
    "CF-Connecting-IP",
    "X-Original-URL",
    "X-Rewrite-URL",
    "X-HTTP-Method-Override",
    "X-Auth-Request-User",
    "X-Remote-User",
    "Remote-User",
    "X-Internal-Service",
];

fn variants() -> Vec<Vec<String>> {
    let mut variants: Vec<Vec<String>> = Vec::new();
    for name in NAMES {
        variants.push(vec![format!("{name}: evil")]);
        // Named in Connection, in the hope that the proxy removes the header it would have overwritten.
        variants.push(vec![
            format!("Connection: keep-alive, {name}"),
            format!("{name}: evil"),
        ]);
    }
    for name in [
        "X-Forwarded-For",
        "X-Tabib-Client-Ip",
        "X-User-Id",
        "Forwarded",
    ] {
        variants.push(vec![format!("{name}: evil"), format!("{name}: evil2")]);
        variants.push(vec![format!("{name}: 127.0.0.1, evil, 10.0.0.1")]);
        variants.push(vec![format!("{name}:evil")]);
        variants.push(vec![format!("{name}:   evil   ")]);
    }
    for hop in [
        "TE",
        "Trailer",
        "Keep-Alive",
        "Proxy-Authorization",
        "Proxy-Connection",
        "HTTP2-Settings",
    ] {
        variants.push(vec![format!("{hop}: evil")]);
    }
    variants.push(vec![
        "Connection: X-Tabib-Client-Ip, X-Request-Id, Host".into(),
    ]);
    variants.push(vec!["Connection: x-custom".into(), "X-Custom: evil".into()]);
    variants
}

#[tokio::test(flavor = "multi_thread")]
async fn q_g1_no_spelling_of_an_identity_header_gets_through() {
    let upstream = Upstream::start().await;
    let gate = gate(&upstream, &[]).await;
    let variants = variants();
    assert!(variants.len() >= 60, "{}", variants.len());
    let token = gate.issuer.access(|_| {});
    for lines in variants {
        let before = upstream.count();
        let request = format!(
            "GET /api/auth/echo/ HTTP/1.1\r\nHost: clinic.test\r\nAuthorization: Bearer {token}\r\n{}\r\nConnection: close\r\n\r\n",
            lines.join("\r\n"),
        );
        let answer = gate.raw(request.as_bytes()).await;
        assert_eq!(status_of(&answer), 200, "{lines:?}: {answer}");
        assert_eq!(upstream.count(), before + 1, "{lines:?}");
        let seen = upstream.last();
        for (name, value) in &seen.headers {
            assert!(
                !value.contains("evil"),
                "{lines:?} reached the service as {name}: {value}"
            );
        }
        let vouched: Vec<_> = seen
            .headers
            .iter()
            .filter(|(name, _)| name == "x-tabib-client-ip")
            .collect();
        assert_eq!(vouched.len(), 1, "{lines:?}");
        let address = service_auth::client_ip::verify(
            CLIENT_IP_KEY.as_bytes(),
            &vouched[0].1,
            chrono::Utc::now(),
        );
        assert_eq!(address, Some(IpAddr::from([127, 0, 0, 1])), "{lines:?}");
        assert_eq!(seen.header("host"), Some("clinic.test"));
        assert!(seen.header("x-request-id").is_some());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn q_g1_headers_that_mean_one_thing_may_not_come_twice() {
    let upstream = Upstream::start().await;
    let gate = gate(&upstream, &[]).await;
    for name in [
        "Authorization",
        "Content-Type",
        "Idempotency-Key",
        "X-Patient-Access-Token",
        "X-API-Key",
        "Origin",
    ] {
        let request = format!(
            "GET /api/auth/otp/x/ HTTP/1.1\r\nHost: t\r\n{name}: a\r\n{}: b\r\n\r\n",
            name.to_lowercase()
        );
        let answer = gate.raw(request.as_bytes()).await;
        assert_eq!(status_of(&answer), 400, "{name}: {answer}");
    }
    assert_eq!(upstream.count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn q_g1_a_trusted_proxy_names_the_client() {
    let upstream = Upstream::start().await;
    let gate = gate(&upstream, &[("CLIENTS__TRUSTED_PROXIES", "127.0.0.0/8")]).await;
    let answer = gate
        .get_as_user("/api/auth/me/")
        .header("X-Forwarded-For", "6.6.6.6, 203.0.113.9, 127.0.0.2")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    let seen = upstream.last();
    let vouched = seen.header("x-tabib-client-ip").unwrap();
    let address =
        service_auth::client_ip::verify(CLIENT_IP_KEY.as_bytes(), vouched, chrono::Utc::now());
    assert_eq!(address, Some(IpAddr::from([203, 0, 113, 9])));
    assert!(seen.header("x-forwarded-for").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn q_g1_what_services_say_about_themselves_stays_inside() {
    let upstream = Upstream::start().await;
    let gate = gate(&upstream, &[]).await;
    let answer = gate
        .get_as_user("/api/auth/me/")
        .header("X-Request-ID", "my-id.1")
        .send()
        .await
        .unwrap();
    for name in [
        "server",
        "x-powered-by",
        "x-tabib-internal",
        "access-control-allow-origin",
        "keep-alive",
    ] {
        assert!(!answer.headers().contains_key(name), "{name}");
    }
    assert_eq!(answer.headers()["x-request-id"], "my-id.1");
    assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
    assert!(
        answer.headers()["content-security-policy"]
            .to_str()
            .unwrap()
            .contains("default-src 'none'")
    );
    assert_eq!(upstream.last().header("x-request-id"), Some("my-id.1"));
    assert!(
        upstream
            .last()
            .header("traceparent")
            .unwrap()
            .starts_with("00-")
    );
}
