use serde_json::json;

use super::{client, get, simulators};

#[tokio::test]
async fn a_message_is_found_under_any_spelling_of_its_number() {
    let running = simulators().await;
    let url = format!("{}/dev/inbox/messages/", running.base_url);
    for (to, text) in [
        ("0912 000 0010", "first"),
        ("+989120000010", "second"),
        ("09120000011", "other"),
    ] {
        let answer = client()
            .post(&url)
            .json(&json!({"channel": "sms", "to": to, "text": text}))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 201);
    }
    for spelling in [
        "+989120000010",
        "%2B989120000010",
        "09120000010",
        "00989120000010",
        "۰۹۱۲۰۰۰۰۰۱۰",
        "9120000010",
    ] {
        let page = get(format!("{url}?to={spelling}")).await;
        assert_eq!(page["count"], 2, "{spelling}");
        assert_eq!(page["results"][0]["text"], "second", "newest first");
        assert_eq!(page["results"][0]["to"], "+989120000010");
        assert!(
            page["results"][0]["id"].is_string() && page["results"][0]["created_at"].is_string()
        );
    }
    assert_eq!(get(format!("{url}?channel=email")).await["count"], 0);
    let second = get(format!("{url}?page=2&page_size=2")).await;
    assert_eq!(
        (
            second["count"].clone(),
            second["results"].as_array().unwrap().len()
        ),
        (json!(3), 1)
    );
}

#[tokio::test]
async fn a_message_without_a_channel_or_text_is_refused() {
    let running = simulators().await;
    let url = format!("{}/dev/inbox/messages/", running.base_url);
    for body in [
        json!({"channel": "fax", "to": "1", "text": "x"}),
        json!({"channel": "sms", "to": "", "text": "x"}),
        json!({}),
    ] {
        assert_eq!(
            client()
                .post(&url)
                .json(&body)
                .send()
                .await
                .unwrap()
                .status(),
            400,
            "{body}"
        );
    }
}

#[tokio::test]
async fn the_page_escapes_what_it_shows_and_allows_only_its_own_files() {
    let running = simulators().await;
    let messages = format!("{}/dev/inbox/messages/", running.base_url);
    let hostile = "<script>alert(1)</script> کد شما 12345";
    client()
        .post(&messages)
        .json(&json!({"channel": "email", "to": "a@b.c", "subject": "<b>", "text": hostile, "html": "<p>hi</p>"}))
        .send()
        .await
        .unwrap();
    for path in ["/dev/inbox", "/dev/inbox/"] {
        let answer = client()
            .get(format!("{}{path}", running.base_url))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 200);
        let policy = answer.headers()["content-security-policy"]
            .to_str()
            .unwrap()
            .to_owned();
        assert!(
            policy.starts_with("default-src 'none'") && !policy.contains("unsafe"),
            "{policy}"
        );
        let html = answer.text().await.unwrap();
        assert!(
            !html.contains("<script>alert") && html.contains("&lt;script&gt;"),
            "escaped"
        );
        assert!(
            html.contains(r#"dir="auto""#),
            "right-to-left texts are shown right"
        );
        assert!(
            !html.contains("http://") && !html.contains("https://"),
            "no external address"
        );
        for file in html
            .split('"')
            .filter(|part| part.starts_with("/dev/inbox/assets/"))
        {
            let asset = client()
                .get(format!("{}{file}", running.base_url))
                .send()
                .await
                .unwrap();
            assert_eq!(asset.status(), 200, "{file}");
            assert!(
                asset.headers()["cache-control"]
                    .to_str()
                    .unwrap()
                    .contains("immutable")
            );
        }
    }
    let id = get(messages).await["results"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let part = client()
        .get(format!("{}/dev/inbox/messages/{id}/html", running.base_url))
        .send()
        .await
        .unwrap();
    assert!(
        part.headers()["content-security-policy"]
            .to_str()
            .unwrap()
            .starts_with("sandbox;")
    );
}
