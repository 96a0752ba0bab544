use actix_web::body::MessageBody;
use chrono::{DateTime, Utc};
use common_types::Language;
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use super::*;

#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Text,
    Image,
}

#[derive(Debug, Deserialize)]
#[allow(dead_code)]
struct Wanted {
    id: Uuid,
    at: DateTime<Utc>,
    kind: Kind,
    name: String,
    amount: i64,
    flag: bool,
    note: Option<String>,
    #[serde(default)]
    page: u32,
    tags: Vec<String>,
}

fn errors(value: serde_json::Value) -> serde_json::Value {
    let error = from_value::<Wanted>(value).unwrap_err();
    let body = error
        .render(Language::En, None)
        .into_body()
        .try_into_bytes()
        .unwrap();
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    body["errors"].clone()
}

#[test]
fn every_missing_field_is_named_and_optional_ones_are_not() {
    let required = json!(["This field is required."]);
    assert_eq!(
        errors(json!({})),
        json!({"id": required, "at": required, "kind": required, "name": required,
               "amount": required, "flag": required, "tags": required})
    );
}

#[test]
fn missing_and_invalid_fields_are_told_together() {
    let found = errors(json!({
        "id": "x", "kind": "video", "name": null, "amount": "ten", "flag": 1, "tags": [], "page": -1
    }));
    assert_eq!(found["id"], json!(["Must be a valid UUID."]));
    assert_eq!(found["at"], json!(["This field is required."]));
    assert_eq!(found["kind"], json!(["\"video\" is not a valid choice."]));
    assert_eq!(found["name"], json!(["This field may not be null."]));
    assert_eq!(found["amount"], json!(["A valid integer is required."]));
    assert_eq!(found["flag"], json!(["Must be a valid boolean."]));
    assert_eq!(found["page"], json!(["A valid integer is required."]));
}

#[test]
fn a_good_object_passes() {
    let wanted: Wanted = from_value(json!({
        "id": Uuid::nil(), "at": "2026-01-01T00:00:00Z", "kind": "image", "name": "n", "amount": 3,
        "flag": true, "tags": ["a"], "extra": 1
    }))
    .unwrap();
    assert_eq!(
        (wanted.kind, wanted.amount, wanted.page),
        (Kind::Image, 3, 0)
    );
}

#[test]
fn a_list_is_not_an_object() {
    assert_eq!(
        errors(json!([1])),
        json!({"non_field_errors": ["Invalid data. Expected a dictionary, but got list."]})
    );
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)]
struct Strict {
    name: String,
}

#[test]
fn an_unknown_field_is_named_where_the_type_is_strict() {
    let error = from_value::<Strict>(json!({"name": "n", "nmae": 1})).unwrap_err();
    let body = error
        .render(Language::En, None)
        .into_body()
        .try_into_bytes()
        .unwrap();
    assert!(String::from_utf8_lossy(&body).contains("\"nmae\":[\"Unknown field.\"]"));
}
