//! Q-A4: the list of bad tokens on every route that takes a token.

use std::sync::Arc;

use auth_otp::AuthOtp;
use reqwest::Method;
use service_auth::testing::bad_tokens;
use service_http::ServiceDefinition;
use tokio::task::JoinSet;

use crate::harness::{App, PHONE};
use crate::setup::OPEN;

/// Every documented route that takes a token: none is forgotten when one is added.
fn routes() -> Vec<(Method, String)> {
    let document = serde_json::to_value(AuthOtp::openapi()).unwrap();
    let mut routes = Vec::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        if OPEN.contains(&path.as_str()) {
            continue;
        }
        for method in operations.as_object().unwrap().keys() {
            let Ok(method) = Method::from_bytes(method.to_uppercase().as_bytes()) else {
                continue;
            };
            let concrete = path
                .replace("{id}", "01900000-0000-7000-8000-000000000101")
                .replace("{phone}", PHONE);
            routes.push((method, concrete));
        }
    }
    routes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn q_a4_no_route_takes_a_bad_token() {
    let app = Arc::new(App::start().await);
    let access = app.access(PHONE).await;
    let issuer = app.issuer().await;
    app.get("/api/auth/organizations/", &issuer.access(|_| {}))
        .await
        .expect(200);
    let tokens = Arc::new(bad_tokens(&issuer));
    assert!(tokens.len() >= 80);
    // The server closes a connection on which a megabyte of header came; no other request may share it.
    let alone = reqwest::Client::builder()
        .pool_max_idle_per_host(0)
        .build()
        .unwrap();
    let mut tasks = JoinSet::new();
    let routes = routes();
    assert!(routes.len() >= 50, "{}", routes.len());
    for (method, path) in routes {
        let (app, tokens, alone) = (app.clone(), tokens.clone(), alone.clone());
        tasks.spawn(async move {
            for (name, token) in tokens.iter() {
                // A service token is no bad token on an internal route.
                if *name == "a service token" && path.starts_with("/internal/") {
                    continue;
                }
                let client = if token.len() > 100_000 {
                    &alone
                } else {
                    &app.http
                };
                let request = client
                    .request(method.clone(), format!("{}{path}", app.base))
                    .header("authorization", format!("Bearer {token}"));
                match request.send().await {
                    Ok(response) => {
                        let status = response.status().as_u16();
                        // Larger than any header the server reads.
                        let large = token.len() > 100_000 && matches!(status, 400 | 431);
                        assert!(
                            status == 401 || large,
                            "{method} {path} answered {status} to {name:?}"
                        );
                    }
                    Err(error) => {
                        assert!(token.len() > 100_000, "{method} {path} {name:?}: {error}")
                    }
                }
            }
        });
    }
    tasks.join_all().await;
    app.get("/api/auth/me/", &access).await.expect(200);
}

#[tokio::test]
async fn q_a4_two_authorization_headers_or_another_scheme_do_not_count() {
    let app = App::start().await;
    let access = app.access(PHONE).await;
    for value in [
        format!("Token {access}"),
        format!("bearer{access}"),
        access.clone(),
        format!("Basic {access}"),
    ] {
        let request = app
            .request(Method::GET, "/api/auth/me/")
            .header("authorization", value);
        crate::harness::send(request).await.expect(401);
    }
    let twice = app
        .request(Method::GET, "/api/auth/me/")
        .bearer_auth(&access)
        .header("authorization", "Bearer x");
    crate::harness::send(twice).await.expect(401);
}
