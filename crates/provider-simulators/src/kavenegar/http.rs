//! `/kavenegar/v1/{key}/{scope}/{method}.json`.

use std::{collections::HashMap, time::Duration};

use actix_web::{
    HttpRequest, HttpResponse,
    http::{Method, StatusCode, header},
    web,
};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::{
    array, rules,
    store::{Accepted, BadLuck, Behaviour, Message, status_text},
};
use crate::{inbox::NewMessage, server::Simulators};

pub(super) type Parameters = HashMap<String, String>;

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/kavenegar/behaviour", web::get().to(get_behaviour))
        .route("/kavenegar/behaviour", web::put().to(put_behaviour))
        .route(
            "/kavenegar/v1/{key}/{scope}/{method}.json",
            web::route().to(call),
        );
}

async fn get_behaviour(state: web::Data<Simulators>) -> HttpResponse {
    HttpResponse::Ok().json(state.kavenegar.behaviour())
}

async fn put_behaviour(body: web::Json<Behaviour>, state: web::Data<Simulators>) -> HttpResponse {
    state.kavenegar.set_behaviour(body.into_inner());
    HttpResponse::Ok().json(state.kavenegar.behaviour())
}

fn answer(status: u16, entries: Value) -> HttpResponse {
    let line = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    HttpResponse::build(line)
        .json(json!({ "return": { "status": status, "message": rules::message_of(status) }, "entries": entries }))
}

/// Query parameters and, for form posts, the form; a JSON body counts as no parameters, as at the vendor.
fn parameters(request: &HttpRequest, body: &[u8]) -> Parameters {
    let mut all: Parameters = url::form_urlencoded::parse(request.query_string().as_bytes())
        .into_owned()
        .collect();
    let form = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.starts_with("application/x-www-form-urlencoded"));
    if form {
        all.extend(url::form_urlencoded::parse(body).into_owned());
    }
    all
}

async fn call(
    request: HttpRequest,
    path: web::Path<(String, String, String)>,
    body: web::Bytes,
    state: web::Data<Simulators>,
) -> HttpResponse {
    let (key, scope, method) = path.into_inner();
    state.recorder.add(&request, &body);
    let luck = (scope == "sms" && method == "send" || scope == "verify")
        .then(|| state.kavenegar.bad_luck())
        .flatten();
    let behaviour = state.kavenegar.behaviour();
    let delay = Duration::from_millis(behaviour.delay_ms);
    if !behaviour.accept_before_delay {
        tokio::time::sleep(delay).await;
    }
    let result = if request.method() != Method::GET && request.method() != Method::POST {
        Err(405)
    } else if scope == "utils" && method == "getdate" {
        Ok(date(Utc::now()))
    } else if key != state.options.kavenegar_api_key {
        Err(403)
    } else if let Some(forced) = state.kavenegar.forced_failure() {
        Err(forced)
    } else if luck == Some(BadLuck::Refused) {
        Err(409)
    } else {
        let given = parameters(&request, &body);
        match (scope.as_str(), method.as_str()) {
            ("sms", "send") => send(&state, &given),
            ("sms", "sendarray") if request.method() != Method::POST => Err(405),
            ("sms", "sendarray") => array::send(&state, &given),
            ("sms", "status") => status(&state, &given),
            ("sms", "statuslocalmessageid") => status_by_localid(&state, &given),
            ("verify", "lookup") => lookup(&state, &given),
            ("account", "info") => Ok(json!({
                "remaincredit": behaviour.credit,
                "expiredate": (Utc::now() + TimeDelta::days(365)).timestamp(),
                "type": "master",
            })),
            _ => Err(404),
        }
    };
    if behaviour.accept_before_delay {
        tokio::time::sleep(delay).await;
    }
    if luck == Some(BadLuck::Lost) {
        return HttpResponse::BadGateway().body("<html>502 Bad Gateway</html>");
    }
    match result {
        Ok(entries) => answer(200, entries),
        Err(status) => answer(status, Value::Null),
    }
}

fn date(now: DateTime<Utc>) -> Value {
    use chrono::{Datelike, Timelike};
    json!({
        "datetime": now.format("%Y/%m/%d %H:%M:%S").to_string(),
        "year": now.year(), "month": now.month(), "day": now.day(),
        "hour": now.hour(), "minute": now.minute(), "second": now.second(),
        "unixtime": now.timestamp(),
    })
}

pub(super) fn required<'a>(given: &'a Parameters, name: &str) -> Result<&'a str, u16> {
    match given.get(name) {
        None => Err(400),
        Some(value) if value.trim().is_empty() => Err(406),
        Some(value) => Ok(value),
    }
}

fn check_tag(given: &Parameters, behaviour: &Behaviour) -> Result<(), u16> {
    match given.get("tag") {
        Some(tag) if !behaviour.tags.contains(tag) => Err(607),
        _ => Ok(()),
    }
}

pub(super) fn entry(message: &Message, status: u16) -> Value {
    json!({
        "messageid": message.messageid,
        "message": message.message,
        "status": status,
        "statustext": status_text(status),
        "sender": message.sender,
        "receptor": message.receptor,
        "date": message.date.timestamp(),
        "cost": message.cost,
    })
}

pub(super) fn deliver(state: &Simulators, accepted: &[(Message, bool)]) -> Result<(), u16> {
    for (message, new) in accepted {
        if *new {
            state
                .inbox
                .add(NewMessage {
                    channel: if message.by_call { "voice" } else { "sms" }.to_owned(),
                    to: message.receptor.clone(),
                    subject: None,
                    text: message.message.clone(),
                    html: None,
                    reference: Some(format!("kavenegar-{}", message.messageid)),
                })
                .map_err(|_| 409_u16)?;
        }
    }
    Ok(())
}

/// A line of the account in any of its spellings; the first one when none is named.
pub(super) fn line(behaviour: &Behaviour, named: Option<&str>) -> Result<String, u16> {
    let Some(sender) = named.map(str::trim).filter(|sender| !sender.is_empty()) else {
        return behaviour.senders.first().cloned().ok_or(412);
    };
    let line = sender
        .strip_prefix("+98")
        .or_else(|| sender.strip_prefix("0098"))
        .unwrap_or(sender);
    let known = behaviour.senders.iter().find(|known| *known == line);
    known.cloned().ok_or(412)
}

fn send(state: &Simulators, given: &Parameters) -> Result<Value, u16> {
    let behaviour = state.kavenegar.behaviour();
    let receptors: Vec<&str> = required(given, "receptor")?.split(',').collect();
    let message = given.get("message").ok_or(400_u16)?;
    if receptors.len() > 200 {
        return Err(414);
    }
    if message.is_empty() || message.chars().count() > 900 {
        return Err(413);
    }
    let sender = line(&behaviour, given.get("sender").map(String::as_str))?;
    let date = match given.get("date").filter(|date| !date.is_empty()) {
        None => None,
        Some(date) => {
            let at = date
                .parse()
                .ok()
                .and_then(|unix| DateTime::from_timestamp(unix, 0))
                .ok_or(417_u16)?;
            if at < Utc::now() - TimeDelta::minutes(1) {
                return Err(417);
            }
            Some(at)
        }
    };
    if let Some(kind) = given.get("type")
        && !matches!(kind.as_str(), "" | "0" | "1" | "2" | "3")
    {
        return Err(400);
    }
    check_tag(given, &behaviour)?;
    let localids: Vec<Option<i64>> = match given.get("localid").filter(|ids| !ids.is_empty()) {
        None => vec![None; receptors.len()],
        Some(ids) => ids
            .split(',')
            .map(|id| id.trim().parse().map(Some).map_err(|_| 400_u16))
            .collect::<Result<_, _>>()?,
    };
    if localids.len() != receptors.len() {
        return Err(419);
    }
    let wanted = receptors
        .iter()
        .zip(localids)
        .map(|(receptor, localid)| {
            Ok(Accepted {
                receptor: rules::receptor(receptor).ok_or(411_u16)?,
                message: message.clone(),
                sender: sender.clone(),
                date,
                localid,
                by_template: false,
                by_call: false,
            })
        })
        .collect::<Result<Vec<_>, u16>>()?;
    let accepted = state.kavenegar.accept(wanted)?;
    deliver(state, &accepted)?;
    Ok(accepted
        .iter()
        .map(|(message, _)| entry(message, 1))
        .collect())
}

fn lookup(state: &Simulators, given: &Parameters) -> Result<Value, u16> {
    let behaviour = state.kavenegar.behaviour();
    let receptor = rules::receptor(required(given, "receptor")?).ok_or(411_u16)?;
    let template = required(given, "template")?;
    let token = required(given, "token")?;
    let text = behaviour.templates.get(template).ok_or(424_u16)?;
    if !text.contains("%token") {
        return Err(432);
    }
    // Longest names first: `%token` is a prefix of all others.
    let mut rendered = text.clone();
    for (name, spaces) in [
        ("token10", 5),
        ("token20", 8),
        ("token2", 0),
        ("token3", 0),
        ("token", 0),
    ] {
        let value = given.get(name).map(String::as_str);
        if let Some(value) = value.filter(|value| !value.is_empty())
            && !rules::token_is_valid(value, spaces)
        {
            return Err(431);
        }
        rendered = rendered.replace(&format!("%{name}"), value.unwrap_or(""));
    }
    let by_call = match given.get("type").map(String::as_str) {
        None | Some("" | "sms") => false,
        Some("call") if token.bytes().all(|byte| byte.is_ascii_digit()) => true,
        Some("call") => return Err(428),
        Some(_) => return Err(400),
    };
    check_tag(given, &behaviour)?;
    let sender = behaviour.senders.first().cloned().unwrap_or_default();
    let accepted = state.kavenegar.accept(vec![Accepted {
        receptor,
        message: rendered,
        sender,
        date: None,
        localid: None,
        by_template: true,
        by_call,
    }])?;
    deliver(state, &accepted)?;
    Ok(accepted
        .iter()
        .map(|(message, _)| entry(message, 5))
        .collect())
}

fn identifiers(given: &Parameters, name: &str) -> Result<Vec<i64>, u16> {
    let ids: Vec<i64> = required(given, name)?
        .split(',')
        .map(|id| id.trim().parse().map_err(|_| 400_u16))
        .collect::<Result<_, _>>()?;
    if ids.len() > 500 { Err(414) } else { Ok(ids) }
}

fn status(state: &Simulators, given: &Parameters) -> Result<Value, u16> {
    let now = Utc::now();
    Ok(identifiers(given, "messageid")?
        .into_iter()
        .map(|id| {
            let status = state.kavenegar.delivery(id, now);
            json!({ "messageid": id, "status": status, "statustext": status_text(status) })
        })
        .collect())
}

fn status_by_localid(state: &Simulators, given: &Parameters) -> Result<Value, u16> {
    let now = Utc::now();
    Ok(identifiers(given, "localid")?
        .into_iter()
        .map(|localid| {
            let message = state.kavenegar.by_localid(localid).filter(|m| now - m.date <= TimeDelta::hours(12));
            let (messageid, status) = message.map_or((0, 100), |m| (m.messageid, state.kavenegar.delivery(m.messageid, now)));
            json!({ "messageid": messageid, "localid": localid.to_string(), "status": status, "statustext": status_text(status) })
        })
        .collect())
}
