//! `/melipayamak/api/SendSMS/{method}`.

use std::collections::BTreeMap;

use actix_web::{HttpRequest, HttpResponse, web};
use chrono::Utc;
use serde_json::json;

use super::Faults;
use crate::{
    kavenegar,
    server::Simulators,
    vendor::{self, Taken},
};

/// Approved bodies of the account: number → text with `{0}`, `{1}` …
const BODIES: [(i64, &str); 3] = [
    (1001, "کد تایید شما: {0}"),
    (1002, "کد دسترسی پزشک به پرونده شما: {0}"),
    (1003, "کلید: {0} رمز: {1}"),
];
/// The account's line.
const LINE: &str = "5000400010";
/// recIds are larger than a double can hold.
const FIRST_ID: u64 = 9_007_199_254_740_993_001;
const MOST_RECEIVERS: usize = 100;

type Fields = BTreeMap<String, String>;

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config
        .route(
            "/melipayamak/behaviour",
            web::get().to(async |state: web::Data<Simulators>| {
                HttpResponse::Ok().json(state.melipayamak.faults())
            }),
        )
        .route("/melipayamak/behaviour", web::put().to(put_behaviour))
        .route("/melipayamak/api/SendSMS/{method}", web::post().to(call));
}

async fn put_behaviour(body: web::Json<Faults>, state: web::Data<Simulators>) -> HttpResponse {
    state.melipayamak.set_faults(body.into_inner());
    HttpResponse::Ok().json(state.melipayamak.faults())
}

fn answer(value: &str, status: i64) -> HttpResponse {
    let word = match status {
        1 => "Ok",
        0 => "UserNameAndPasswordFailed",
        _ => "InvalidData",
    };
    HttpResponse::Ok().json(json!({"Value": value, "RetStatus": status, "StrRetStatus": word}))
}

/// The fields of a form, or of a JSON body, which the service takes too.
fn fields(body: &[u8]) -> Fields {
    match serde_json::from_slice::<BTreeMap<String, serde_json::Value>>(body) {
        Ok(members) => members
            .into_iter()
            .map(|(name, value)| {
                let text = value
                    .as_str()
                    .map_or_else(|| value.to_string(), str::to_owned);
                (name, text)
            })
            .collect(),
        Err(_) => vendor::form(body),
    }
}

async fn call(
    request: HttpRequest,
    method: web::Path<String>,
    body: web::Bytes,
    state: web::Data<Simulators>,
) -> HttpResponse {
    state.recorder.add(&request, &body);
    let given = fields(&body);
    let account = &state.melipayamak;
    account
        .answer(|| {
            let keys = &state.options.vendors;
            let known = given.get("username") == Some(&keys.melipayamak_username)
                && given.get("password") == Some(&keys.melipayamak_password);
            if !known {
                return answer("", 0);
            }
            match method.as_str() {
                "SendSMS" => {
                    send(&state, &given).unwrap_or_else(|code| answer(&code.to_string(), code))
                }
                "BaseServiceNumber" => {
                    send_pattern(&state, &given).unwrap_or_else(|code| answer(&code.to_string(), 1))
                }
                "GetDeliveries2" => answer(&delivery(&state, &given), 1),
                "GetCredit" => answer("12500.5", 1),
                "GetBasePrice" => answer("1450", 1),
                _ => HttpResponse::NotFound().json(
                    json!({"Message": "No HTTP resource was found that matches the request URI."}),
                ),
            }
        })
        .await
}

fn delivery(state: &Simulators, given: &Fields) -> String {
    let id = given.get("recId").or_else(|| given.get("recID"));
    let known = id.and_then(|id| state.melipayamak.find(id));
    match (known, state.melipayamak.faults().delivery_status) {
        (None, _) => "100".to_owned(),
        (Some(_), Some(status)) => status,
        (Some(taken), None) if (Utc::now() - taken.at).num_milliseconds() < 500 => "0".to_owned(),
        (Some(_), None) => "1".to_owned(),
    }
}

/// Takes a text for each receiver; answers their recIds, with a comma between them.
fn take(state: &Simulators, receivers: &[String], text: &str) -> HttpResponse {
    let mut ids = Vec::new();
    for to in receivers {
        let next = u64::try_from(state.melipayamak.count()).unwrap_or_default();
        let taken = Taken {
            id: (FIRST_ID + next).to_string(),
            to: to.clone(),
            text: text.to_owned(),
            at: Utc::now(),
        };
        if vendor::show(state, "melipayamak", &taken).is_err() {
            return answer("6", 6);
        }
        ids.push(taken.id.clone());
        state.melipayamak.add(taken);
    }
    answer(&ids.join(","), 1)
}

fn receivers(given: &Fields) -> Result<Vec<String>, i64> {
    let to = given
        .get("to")
        .filter(|to| !to.trim().is_empty())
        .ok_or(16)?;
    to.split(',')
        .map(|one| {
            kavenegar::receptor(one)
                .filter(|receptor| receptor.starts_with("09"))
                .ok_or(18)
        })
        .collect()
}

fn send(state: &Simulators, given: &Fields) -> Result<HttpResponse, i64> {
    if let Some(code) = state.melipayamak.forced_failure() {
        return Err(code);
    }
    let to = receivers(given)?;
    let text = given
        .get("text")
        .filter(|text| !text.is_empty())
        .ok_or(17)?;
    if to.len() > MOST_RECEIVERS {
        return Err(4);
    }
    if given.get("from").map(String::as_str) != Some(LINE) {
        return Err(5);
    }
    if !matches!(
        given
            .get("isFlash")
            .map(|flash| flash.to_lowercase())
            .as_deref(),
        None | Some("true" | "false")
    ) {
        return Err(11);
    }
    if vendor::has_link(text) {
        return Err(14);
    }
    if to.len() > 1 && !text.contains("لغو11") {
        return Err(15);
    }
    Ok(take(state, &to, text))
}

fn send_pattern(state: &Simulators, given: &Fields) -> Result<HttpResponse, i64> {
    if let Some(code) = state.melipayamak.forced_failure() {
        return Err(code);
    }
    let to = receivers(given)?;
    if to.len() != 1 {
        return Err(-2);
    }
    let body: i64 = given
        .get("bodyId")
        .and_then(|id| id.parse().ok())
        .ok_or(-4)?;
    let (_, text) = BODIES.iter().find(|(id, _)| *id == body).ok_or(-4)?;
    let variables: Vec<&str> = given.get("text").ok_or(-5)?.split(';').collect();
    if variables.len() != text.matches('{').count() || variables.iter().any(|v| v.is_empty()) {
        return Err(-5);
    }
    if variables.iter().any(|variable| vendor::has_link(variable)) {
        return Err(-10);
    }
    let mut rendered = (*text).to_owned();
    for (number, value) in variables.iter().enumerate() {
        rendered = rendered.replace(&format!("{{{number}}}"), value);
    }
    Ok(take(state, &to, &rendered))
}
