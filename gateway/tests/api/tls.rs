//! HTTPS at the door, HTTP/2 included. The key under `fixtures/` is for these tests alone.

use crate::harness::{Upstream, gate};

pub(crate) const CERTIFICATE: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/tests/api/fixtures/tls.crt");
pub(crate) const KEY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/api/fixtures/tls.key");

/// The certificate and key of the same name that come later.
const RENEWED: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/api/fixtures/renewed.crt"
);
const RENEWED_KEY: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/api/fixtures/renewed.key"
);

/// A client that trusts the certificate and finds `localhost` at this address.
pub(crate) fn client(address: std::net::SocketAddr) -> reqwest::ClientBuilder {
    client_that_trusts(CERTIFICATE, address)
}

fn client_that_trusts(file: &str, address: std::net::SocketAddr) -> reqwest::ClientBuilder {
    let authority = reqwest::Certificate::from_pem(&std::fs::read(file).unwrap()).unwrap();
    reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only([authority])
        .resolve("localhost", address)
}

#[tokio::test(flavor = "multi_thread")]
async fn https_serves_both_versions_with_the_same_rules() {
    let upstream = Upstream::start().await;
    let gate = gate(
        &upstream,
        &[
            ("TLS__CERTIFICATE_FILE", CERTIFICATE),
            ("TLS__KEY_FILE", KEY),
            ("SERVER__PUBLIC_URL", "https://localhost"),
        ],
    )
    .await;
    let url = |path: &str| format!("https://localhost:{}{path}", gate.address.port());
    for version in [reqwest::Version::HTTP_2, reqwest::Version::HTTP_11] {
        let builder = client(gate.address);
        let client = if version == reqwest::Version::HTTP_11 {
            builder.http1_only()
        } else {
            builder
        };
        let client = client.build().unwrap();
        let token = gate.issuer.access(|_| {});
        let get = client
            .get(url("/api/auth/me/"))
            .bearer_auth(&token)
            .header("X-Forwarded-For", "evil")
            .header(
                "Origin",
                format!("https://localhost:{}", gate.address.port()),
            )
            .send()
            .await
            .unwrap();
        assert_eq!((get.status().as_u16(), get.version()), (200, version));
        assert!(get.headers().contains_key("strict-transport-security"));
        let seen = upstream.last();
        assert_eq!(
            seen.header("host"),
            Some(format!("localhost:{}", gate.address.port()).as_str())
        );
        assert!(
            seen.header("transfer-encoding").is_none(),
            "a read has no body"
        );
        assert!(
            seen.headers
                .iter()
                .all(|(_, value)| !value.contains("evil"))
        );
        let post = client
            .post(url("/api/auth/otp/x/"))
            .body("{\"a\":1}")
            .send()
            .await
            .unwrap();
        assert_eq!(post.status(), 200);
        assert_eq!(upstream.last().body, 7);
        let large = client
            .post(url("/api/auth/otp/x/"))
            .body(vec![b'x'; 300_000])
            .send()
            .await
            .unwrap();
        assert_eq!(large.status(), 413);
        assert_eq!(
            client
                .get(url("/api/auth/me/"))
                .send()
                .await
                .unwrap()
                .status(),
            401
        );
        assert_eq!(
            client.get(url("/api/a%2fb")).send().await.unwrap().status(),
            400
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_certificate_needs_no_restart_and_a_bad_one_changes_nothing() {
    let upstream = Upstream::start().await;
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = (folder.path().join("tls.crt"), folder.path().join("tls.key"));
    let put = |from: &str, to: &std::path::Path| std::fs::copy(from, to).map(drop).unwrap();
    put(CERTIFICATE, &certificate);
    put(KEY, &key);
    let gate = gate(
        &upstream,
        &[
            ("TLS__CERTIFICATE_FILE", certificate.to_str().unwrap()),
            ("TLS__KEY_FILE", key.to_str().unwrap()),
            ("TLS__WATCH_SECONDS", "1"),
            ("SERVER__PUBLIC_URL", "https://localhost"),
        ],
    )
    .await;
    let url = format!("https://localhost:{}/health/live", gate.address.port());
    // A client of its own each time: a kept connection would say nothing about the certificate.
    let trusted = async |file: &str| {
        let client = client_that_trusts(file, gate.address).build().unwrap();
        client.get(&url).send().await.is_ok()
    };
    let kept = client(gate.address).build().unwrap();
    assert_eq!(kept.get(&url).send().await.unwrap().status(), 200);
    assert!(!trusted(RENEWED).await);

    put(RENEWED, &certificate);
    put(RENEWED_KEY, &key);
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while !trusted(RENEWED).await {
        assert!(std::time::Instant::now() < deadline, "the old one stays");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert!(!trusted(CERTIFICATE).await);
    assert_eq!(
        kept.get(&url).send().await.unwrap().status(),
        200,
        "open connections go on"
    );

    let certificates = gate.shared().certificates.as_ref().unwrap();
    let refused = |what: &str| {
        let error = certificates.reload().unwrap_err();
        assert!(format!("{error:#}").contains(what), "{error:#}");
    };
    put(KEY, &key);
    refused("do not belong together");
    put(RENEWED_KEY, &key);
    std::fs::write(&certificate, "nonsense").unwrap();
    refused("holds no certificate");
    std::fs::remove_file(&certificate).unwrap();
    refused("cannot read");
    assert!(trusted(RENEWED).await);
    put(RENEWED, &certificate);
    assert_eq!(
        certificates.reload().unwrap(),
        gateway::tls::Reload::Same,
        "what is in force is no news"
    );
}
