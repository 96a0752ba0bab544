//! HTTPS at the door, HTTP/2 included. The key under `fixtures/` is for these tests alone.

use crate::harness::{Upstream, gate};

const CERTIFICATE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/api/fixtures/tls.crt");
const KEY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/api/fixtures/tls.key");

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
    let authority = reqwest::Certificate::from_pem(&std::fs::read(CERTIFICATE).unwrap()).unwrap();
    let url = |path: &str| format!("https://localhost:{}{path}", gate.address.port());
    for version in [reqwest::Version::HTTP_2, reqwest::Version::HTTP_11] {
        let builder = reqwest::Client::builder()
            .no_proxy()
            .tls_certs_only([authority.clone()])
            .resolve("localhost", gate.address);
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
