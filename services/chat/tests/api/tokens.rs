use reqwest::{Method, StatusCode};
use serde_json::json;
use service_auth::testing::bad_tokens;

use crate::support::Clinic;

#[tokio::test(flavor = "multi_thread")]
async fn q_a4_no_route_takes_a_bad_token() {
    let clinic = Clinic::open().await;
    let bad = bad_tokens(&clinic.service.issuer);
    assert!(bad.len() >= 80);
    let job = uuid::Uuid::now_v7();
    let routes = [
        (Method::GET, "/api/chat/".to_owned()),
        (Method::GET, "/api/chat/chatrooms/".into()),
        (Method::POST, "/api/chat/chatrooms/".into()),
        (Method::GET, "/api/chat/chatrooms/1/".into()),
        (Method::PUT, "/api/chat/chatrooms/1/".into()),
        (Method::PATCH, "/api/chat/chatrooms/1/".into()),
        (Method::DELETE, "/api/chat/chatrooms/1/".into()),
        (Method::POST, "/api/chat/chatrooms/1/read/".into()),
        (Method::POST, "/api/chat/chatrooms/1/summarize/".into()),
        (Method::GET, "/api/chat/chatrooms/1/summaries/".into()),
        (Method::GET, format!("/api/chat/summary-jobs/{job}/")),
        (Method::GET, "/api/chat/messages/".into()),
        (Method::POST, "/api/chat/messages/".into()),
        (Method::GET, "/api/chat/messages/1/".into()),
        (Method::POST, "/api/chat/tickets/".into()),
        (Method::POST, "/api/message/file/upload/".into()),
        (
            Method::GET,
            format!("/media/uploads/chat_files/{job}/a.png"),
        ),
    ];
    for (method, path) in routes {
        let anonymous = clinic
            .service
            .request(method.clone(), &path)
            .json(&json!({}))
            .send()
            .await
            .unwrap();
        assert_eq!(
            anonymous.status(),
            StatusCode::UNAUTHORIZED,
            "{method} {path}"
        );
        assert_eq!(
            anonymous.headers()["www-authenticate"],
            "Bearer realm=\"api\""
        );
        for (name, token) in &bad {
            let Ok(value) = reqwest::header::HeaderValue::from_str(&format!("Bearer {token}"))
            else {
                continue;
            };
            let sent = clinic
                .service
                .request(method.clone(), &path)
                .header("authorization", value)
                .json(&json!({}))
                .send()
                .await;
            let answer = match sent {
                Ok(answer) => answer,
                // A header larger than the server reads at all: it may close before we have sent it.
                Err(_) if token.len() > 100_000 => continue,
                Err(error) => panic!("{method} {path} with {name}: {error}"),
            };
            let refused = [
                StatusCode::UNAUTHORIZED,
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                StatusCode::BAD_REQUEST,
            ];
            assert!(
                refused.contains(&answer.status()),
                "{method} {path} with {name}: {}",
                answer.status()
            );
        }
    }
}
