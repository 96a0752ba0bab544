use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use service_testing::TestService;

use crate::fixture::Fixture;

async fn body(response: reqwest::Response) -> Value {
    serde_json::from_slice(&response.bytes().await.unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_paths_and_methods_answer_in_the_words_of_django() {
    let service = TestService::<Fixture>::start().await;
    let missing = service
        .get("/nowhere/")
        .header("x-request-id", "abc-1")
        .send()
        .await
        .unwrap();
    assert_eq!(missing.status(), 404);
    assert_eq!(
        missing.headers()["content-type"],
        "application/problem+json"
    );
    let missing = body(missing).await;
    assert_eq!(missing["detail"], "Not found.");
    assert_eq!(missing["request_id"], "abc-1");
    let wrong = service
        .request(Method::PUT, "/order/")
        .send()
        .await
        .unwrap();
    assert_eq!(wrong.status(), 405);
    assert_eq!(wrong.headers()["allow"], "POST");
    assert_eq!(body(wrong).await["detail"], "Method \"PUT\" not allowed.");
    assert_eq!(
        service.get("/number/x").send().await.unwrap().status(),
        404,
        "no such object can exist"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn both_spellings_of_a_path_work_and_others_are_refused() {
    let service = TestService::<Fixture>::start().await;
    for path in ["/number/7", "/number/7/", "/number/7/?x=1"] {
        assert_eq!(
            service
                .get(path)
                .send()
                .await
                .unwrap()
                .text()
                .await
                .unwrap(),
            "7",
            "{path}"
        );
    }
    for path in ["/number//7", "/number/a%2Fb", "/x%00", "/a%5cb"] {
        let refused = service.get(path).send().await.unwrap();
        assert_eq!(refused.status(), 400, "{path}");
        assert_eq!(body(refused).await["code"], "request.path");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_missing_and_invalid_field_is_named_in_the_callers_language() {
    let service = TestService::<Fixture>::start().await;
    let refused = service
        .post("/order/")
        .json(&json!({"currency": "ABC", "note": 3}))
        .send()
        .await
        .unwrap();
    assert_eq!(refused.status(), 400);
    let refused = body(refused).await;
    assert_eq!(refused["phone"], json!(["This field is required."]));
    assert_eq!(refused["quantity"], json!(["This field is required."]));
    assert_eq!(refused["note"], json!(["Not a valid string."]));
    assert!(refused["currency"].is_array());
    assert_eq!(refused["errors"]["phone"], refused["phone"]);
    for (language, text) in [
        ("fr", "Ce champ est obligatoire."),
        ("fa-IR", "این فیلد الزامی است."),
    ] {
        let request = service
            .post("/order")
            .header("accept-language", language)
            .json(&json!({}));
        assert_eq!(
            body(request.send().await.unwrap()).await["phone"],
            json!([text])
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn q_g5_a_panic_is_a_500_that_says_nothing_and_the_process_lives() {
    let service = TestService::<Fixture>::start().await;
    for path in ["/panic", "/broken"] {
        let failed = service.get(path).send().await.unwrap();
        assert_eq!(failed.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(failed.headers()["content-type"], "application/problem+json");
        let failed = body(failed).await;
        assert_eq!(failed["code"], "internal");
        assert!(failed["request_id"].is_string());
        assert!(!failed.to_string().contains("secrets"), "{failed}");
    }
    assert_eq!(service.get("/number/1").send().await.unwrap().status(), 200);
}
