//! `/parsian/webservice-send-sms/send` and `/parsian/webservice-get-credit/get`.

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

/// Templates of the account: number → text with `__1__`, `__2__` …
const TEMPLATES: [(i64, &str); 3] = [
    (1, "کد تایید شما: __1__"),
    (2, "کد دسترسی پزشک به پرونده شما: __1__"),
    (3, "کلید: __1__ رمز: __2__"),
];

type Fields = BTreeMap<String, String>;

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config
        .route(
            "/parsian/behaviour",
            web::get().to(async |state: web::Data<Simulators>| {
                HttpResponse::Ok().json(state.parsian.faults())
            }),
        )
        .route("/parsian/behaviour", web::put().to(put_behaviour))
        .route("/parsian/webservice-send-sms/send", web::post().to(send))
        .route("/parsian/webservice-get-credit/get", web::post().to(credit));
}

async fn put_behaviour(body: web::Json<Faults>, state: web::Data<Simulators>) -> HttpResponse {
    state.parsian.set_faults(body.into_inner());
    HttpResponse::Ok().json(state.parsian.faults())
}

fn answer(status: i64) -> HttpResponse {
    HttpResponse::Ok().json(json!({"status": status}))
}

fn known(state: &Simulators, given: &Fields) -> bool {
    given.get("token") == Some(&state.options.vendors.parsian_token)
}

async fn credit(
    request: HttpRequest,
    body: web::Bytes,
    state: web::Data<Simulators>,
) -> HttpResponse {
    state.recorder.add(&request, &body);
    let given = vendor::form(&body);
    state
        .parsian
        .answer(|| {
            if known(&state, &given) {
                HttpResponse::Ok().json(json!({"status": 200, "credit": "84000"}))
            } else {
                answer(401)
            }
        })
        .await
}

async fn send(
    request: HttpRequest,
    body: web::Bytes,
    state: web::Data<Simulators>,
) -> HttpResponse {
    state.recorder.add(&request, &body);
    let given = vendor::form(&body);
    state
        .parsian
        .answer(|| match take(&state, &given) {
            Ok(()) => answer(200),
            Err(status) => answer(status),
        })
        .await
}

fn take(state: &Simulators, given: &Fields) -> Result<(), i64> {
    if !known(state, given) {
        return Err(401);
    }
    if let Some(status) = state.parsian.forced_failure() {
        return Err(status);
    }
    let template: i64 = given
        .get("TemplateID")
        .and_then(|id| id.parse().ok())
        .ok_or(100)?;
    let (_, text) = TEMPLATES
        .iter()
        .find(|(id, _)| *id == template)
        .ok_or(100)?;
    let to = given
        .get("Receiver")
        .and_then(|to| kavenegar::receptor(to))
        .filter(|to| to.starts_with("09"))
        .ok_or(100)?;
    let variables: Vec<&str> = given.get("MessageVars").ok_or(100)?.split(',').collect();
    if variables.len() != text.matches("__").count() / 2 {
        return Err(100);
    }
    let mut rendered = (*text).to_owned();
    for (index, value) in variables.iter().enumerate() {
        rendered = rendered.replace(&format!("__{}__", index + 1), value);
    }
    let taken = Taken {
        id: (state.parsian.count() + 1).to_string(),
        to,
        text: rendered,
        at: Utc::now(),
    };
    vendor::show(state, "parsian", &taken).map_err(|_| 100_i64)?;
    state.parsian.add(taken);
    Ok(())
}
