use actix_web::body::{MessageBody, to_bytes};

use super::*;

fn body_of(response: HttpResponse) -> Value {
    let bytes = response.into_body().try_into_bytes().unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

#[actix_web::test]
async fn a_problem_carries_code_detail_and_request_id() {
    let response = ApiError::conflict("wallet.busy", "x")
        .i18n("الف", "bé", "see")
        .render(Language::Fr, Some("r1"));
    assert_eq!(
        response.headers().get("content-type").unwrap(),
        "application/problem+json"
    );
    let body = to_bytes(response.into_body()).await.unwrap();
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(
        body,
        json!({"type": "about:blank", "title": "Conflict", "status": 409, "detail": "bé",
               "code": "wallet.busy", "request_id": "r1"})
    );
}

#[test]
fn contract_members_win_and_the_code_moves_to_the_header() {
    let response = ApiError::bad_request("patient_access.wrong_code", "x")
        .contract(json!({"success": false, "error": "e", "status": "pending", "code": 7}))
        .render(Language::En, None);
    assert_eq!(
        response.headers().get("x-error-code").unwrap(),
        "patient_access.wrong_code"
    );
    assert_eq!(
        response.headers().get("content-type").unwrap(),
        "application/json"
    );
    let body = body_of(response);
    assert_eq!(body["status"], "pending");
    assert_eq!(body["code"], 7);
    assert_eq!(body["title"], "Bad Request");
}

#[test]
fn fields_stand_on_top_and_under_errors_in_the_callers_language() {
    let response = ApiError::invalid()
        .field("name", crate::text::required())
        .render(Language::Fr, None);
    let body = body_of(response);
    assert_eq!(body["name"], json!(["Ce champ est obligatoire."]));
    assert_eq!(body["errors"]["name"], json!(["Ce champ est obligatoire."]));
}

#[test]
fn a_bare_body_is_exactly_itself() {
    let response = ApiError::bad_request("chat.room_missing", "x")
        .bare(json!(["a"]))
        .render(Language::En, Some("r"));
    assert_eq!(
        response.headers().get("x-error-code").unwrap(),
        "chat.room_missing"
    );
    assert_eq!(body_of(response), json!(["a"]));
}

#[test]
fn an_internal_error_shows_nothing_of_its_cause() {
    let error = ApiError::internal(anyhow::anyhow!("SELECT secret FROM t"));
    assert!(
        !body_of(error.render(Language::En, None))
            .to_string()
            .contains("SELECT")
    );
    assert!(!error.to_string().contains("SELECT"));
}

#[test]
fn a_bad_token_answers_in_the_words_of_simplejwt() {
    let response = ApiError::token_invalid().render(Language::En, None);
    assert_eq!(
        response.headers().get("www-authenticate").unwrap(),
        "Bearer realm=\"api\""
    );
    assert_eq!(body_of(response)["code"], "token_not_valid");
}
