//! Tables over all routes.

use reqwest::Method;
use serde_json::json;
use service_auth::testing::bad_tokens;

use crate::support::{Answer, Workshop};

/// Every route with the methods that it serves and who may not use them: `v` viewers, `w` writers, `e` editors, `-` everyone may.
const ROUTES: &[(&str, &[(&str, &str)])] = &[
    ("/api/projects/", &[("GET", "-"), ("POST", "v")]),
    (
        "/api/projects/1/",
        &[
            ("GET", "-"),
            ("PUT", "vw"),
            ("PATCH", "vw"),
            ("DELETE", "vw"),
        ],
    ),
    ("/api/prompts/", &[("GET", "-"), ("POST", "v")]),
    (
        "/api/prompts/1/",
        &[
            ("GET", "-"),
            ("PUT", "vw"),
            ("PATCH", "vw"),
            ("DELETE", "vw"),
        ],
    ),
    ("/api/contents/", &[("GET", "-"), ("POST", "v")]),
    (
        "/api/contents/1/",
        &[
            ("GET", "-"),
            ("PUT", "vw"),
            ("PATCH", "v"),
            ("DELETE", "vw"),
        ],
    ),
    ("/api/contents/1/generate/", &[("POST", "v")]),
    ("/api/contents/1/approve/", &[("POST", "vw")]),
    ("/api/contents/1/reject/", &[("POST", "vw")]),
    ("/api/contents/1/versions/", &[("GET", "-")]),
    ("/api/versions/", &[("GET", "-")]),
    ("/api/versions/1/", &[("GET", "-")]),
    ("/api/content-versions/", &[("GET", "-")]),
    ("/api/content-versions/1/", &[("GET", "-")]),
    ("/api/ai/jobs/", &[("GET", "-")]),
    ("/api/ai/jobs/1/", &[("GET", "-")]),
    ("/api/ai/audit-logs/", &[("GET", "vwe")]),
    ("/api/ai/usage-logs/", &[("GET", "-")]),
    ("/api/ai/usage-limits/", &[("GET", "-"), ("POST", "vwe")]),
    (
        "/api/ai/usage-limits/1/",
        &[
            ("GET", "-"),
            ("PUT", "vwe"),
            ("PATCH", "vwe"),
            ("DELETE", "vwe"),
        ],
    ),
    ("/api/ai/usage/summary/", &[("GET", "-")]),
];

fn method(name: &str) -> Method {
    name.parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_needs_a_token() {
    let shop = Workshop::open().await;
    for (path, methods) in ROUTES {
        for (name, _) in *methods {
            let request = shop.service.request(method(name), path).json(&json!({}));
            let refused = Answer::of(request).await;
            assert_eq!(refused.status, 401, "{name} {path}");
            assert_eq!(
                refused.body["detail"],
                "Authentication credentials were not provided."
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn q_a4_no_route_takes_a_bad_token() {
    let shop = Workshop::open().await;
    let tokens = bad_tokens(&shop.service.issuer);
    for (path, methods) in ROUTES {
        for (n, (kind, token)) in tokens.iter().enumerate() {
            let (name, _) = methods[n % methods.len()];
            let Ok(value) = reqwest::header::HeaderValue::from_str(&format!("Bearer {token}"))
            else {
                continue;
            };
            let request = shop
                .service
                .request(method(name), path)
                .header("authorization", value)
                .json(&json!({}));
            // A header of a megabyte is refused by closing the connection.
            let Ok(response) = request.send().await else {
                continue;
            };
            let status = response.status().as_u16();
            assert!(
                matches!(status, 400 | 401 | 431),
                "{kind}: {name} {path} answered {status}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_refuses_the_roles_that_may_not() {
    let shop = Workshop::open().await;
    let roles = [
        ('v', &shop.viewer),
        ('w', &shop.writer),
        ('e', &shop.editor),
        ('a', &shop.admin),
        ('o', &shop.outsider),
    ];
    for (path, methods) in ROUTES {
        for (name, refused) in *methods {
            for (letter, person) in roles {
                let request = shop.request(person, method(name), path).json(&json!({}));
                let status = Answer::of(request).await.status.as_u16();
                let forbidden = letter == 'o' || refused.contains(letter);
                assert_eq!(
                    status == 403,
                    forbidden,
                    "{letter} {name} {path} answered {status}"
                );
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn other_methods_are_405_and_unknown_paths_404() {
    let shop = Workshop::open().await;
    for (path, name) in [
        ("/api/versions/1/", "DELETE"),
        ("/api/contents/1/approve/", "GET"),
        ("/api/ai/jobs/", "POST"),
    ] {
        let request = shop
            .request(&shop.admin, method(name), path)
            .json(&json!({}));
        assert_eq!(Answer::of(request).await.status, 405, "{name} {path}");
    }
    shop.get(&shop.admin, "/api/content/").await.is(404);
    shop.get(&shop.admin, "/api/contents/x/").await.is(404);
    shop.get(&shop.admin, "/api/contents/99999999999999999999/")
        .await
        .is(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_document_names_every_route() {
    let shop = Workshop::open().await;
    let document = Answer::of(shop.service.get("/openapi.json")).await.ok();
    for (path, methods) in ROUTES {
        let path = path.replace("/1/", "/{id}/");
        for (name, _) in *methods {
            assert!(
                document["paths"][&path][name.to_lowercase()].is_object(),
                "{name} {path}"
            );
        }
    }
}
