//! E-mail over real SMTP conversations: languages, refusals, silence, broken connections, safety.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use provider_simulators::smtp::Behaviour;
use serde_json::{Value, json};
use service_testing::{eventually, eventually_stepping};

use crate::support::{SOON, Setup, World};

async fn world(url: &'static str) -> World {
    World::with(Setup {
        smtp: Some(url),
        settings: vec![
            ("development.stand_ins", "false".to_owned()),
            ("smtp.from", "Tabib <no-reply@clinic.example>".to_owned()),
        ],
        ..Setup::default()
    })
    .await
}

fn mail(key: &str, mode: &str, text: &str) -> Value {
    json!({"idempotency_key": key, "channel": "email", "to": "sara@example.com", "language": "fa", "subject": "سلام",
        "text": text, "purpose": "notification", "mode": mode})
}

fn set(world: &World, change: impl FnOnce(&mut Behaviour)) {
    let mut behaviour = Behaviour::default();
    change(&mut behaviour);
    world.simulators.state.smtp.set_behaviour(behaviour);
}

async fn error_of(world: &World, key: &str) -> String {
    let sql = format!("SELECT error_code FROM messages WHERE idempotency_key = '{key}'");
    world.text_of(&sql).await.unwrap_or_default()
}

#[tokio::test]
async fn mails_have_text_and_html_in_three_languages_over_one_connection() {
    let world = world("smtp://{}").await;
    for (language, subject, direction) in [
        ("fa", "گزارش شما آماده است", "rtl"),
        ("fr", "Votre compte rendu est disponible", "ltr"),
        ("en", "Your report is ready", "ltr"),
    ] {
        let mut message = mail(language, "synchronous", "");
        message["subject"] = Value::Null;
        message["language"] = json!(language);
        message["template"] = json!({"key": "report-published", "tokens": {"token": "https://clinic.example/r?a=1&b=<2>"}});
        let (status, body) = world.send(&message).await;
        assert_eq!(
            (status, &body["provider"], &body["state"]),
            (200, &json!("smtp"), &json!("sent")),
            "{body}"
        );
        let (_, shown) = world
            .simulators
            .state
            .inbox
            .list(Some("sara@example.com"), None, 1, 1);
        assert_eq!(shown[0].subject.as_deref(), Some(subject));
        assert!(
            shown[0].text.contains("https://clinic.example/r?a=1&b=<2>"),
            "{}",
            shown[0].text
        );
        let html = shown[0].html.as_deref().unwrap();
        assert!(
            html.contains(&format!("dir=\"{direction}\"")) && html.contains("a=1&amp;b=&lt;2&gt;"),
            "{html}"
        );
    }
    let smtp = &world.simulators.state.smtp;
    assert_eq!(
        (smtp.mails().len(), smtp.connections()),
        (3, 1),
        "one connection from the pool"
    );
    assert_eq!(smtp.mails()[0].from, "no-reply@clinic.example");
    let kept = world
        .text_of("SELECT count(*) FROM messages WHERE content_sealed IS NOT NULL")
        .await;
    assert_eq!(kept.as_deref(), Some("0"), "wiped");
}

#[tokio::test]
async fn a_4xx_is_tried_again_and_a_5xx_is_the_end() {
    let mut world = world("smtp://{}").await;
    world.service.start_worker();
    set(&world, |behaviour| {
        behaviour.replies = BTreeMap::from([("RCPT", "451 4.7.1 Greylisted".to_owned())]);
    });
    world.send(&mail("m1", "queued", "later")).await;
    eventually(SOON, async || error_of(&world, "m1").await == "smtp.451").await;
    assert!(world.simulators.state.smtp.mails().is_empty());
    set(&world, |_| {});
    eventually_stepping(
        &world.service.clock,
        TimeDelta::seconds(10),
        SOON,
        async || world.state_of("m1").await.as_deref() == Some("sent"),
    )
    .await;
    assert_eq!(world.simulators.state.smtp.mails().len(), 1);
    set(&world, |behaviour| {
        behaviour.replies = BTreeMap::from([("BODY", "550 5.7.1 Spam".to_owned())]);
    });
    let (status, body) = world.send(&mail("m2", "synchronous", "never")).await;
    assert_eq!((status, &body["state"]), (502, &json!("refused")), "{body}");
    assert_eq!(error_of(&world, "m2").await, "smtp.550");
}

#[tokio::test]
async fn a_connection_that_breaks_after_the_mail_may_mean_a_second_copy_with_the_same_id() {
    let mut world = world("smtp://{}").await;
    set(&world, |behaviour| behaviour.drop_at = Some("BODY"));
    let (status, body) = world
        .send(&mail("m1", "synchronous", "once or twice"))
        .await;
    assert_eq!((status, &body["state"]), (200, &json!("unknown")), "{body}");
    set(&world, |_| {});
    world.service.start_worker();
    eventually_stepping(
        &world.service.clock,
        TimeDelta::seconds(10),
        SOON,
        async || world.state_of("m1").await.as_deref() == Some("sent"),
    )
    .await;
    let ids: Vec<String> = world
        .simulators
        .state
        .smtp
        .mails()
        .iter()
        .map(|mail| {
            let line = mail
                .raw
                .lines()
                .find(|line| line.starts_with("Message-ID:"))
                .unwrap();
            line.to_owned()
        })
        .collect();
    assert_eq!(ids.len(), 2);
    assert_eq!(ids[0], ids[1], "mail programs show one");
}

#[tokio::test]
async fn a_slow_server_does_not_hold_the_caller() {
    let world = world("smtp://{}").await;
    set(&world, |behaviour| {
        behaviour.delays_ms = BTreeMap::from([("MAIL", 60_000)]);
    });
    let started = std::time::Instant::now();
    let (status, body) = world.send(&mail("m1", "synchronous", "a")).await;
    assert_eq!((status, &body["state"]), (200, &json!("unknown")), "{body}");
    assert!(started.elapsed() < std::time::Duration::from_secs(20));
}

#[tokio::test]
async fn tls_is_never_given_up_and_passwords_are_checked() {
    for url in ["smtp://{}?tls=required", "smtps://{}"] {
        let world = world(url).await;
        let (_, body) = world.send(&mail("m1", "synchronous", "secret")).await;
        assert_ne!(body["state"], "sent", "{url} {body}");
        assert!(
            world.simulators.state.smtp.mails().is_empty(),
            "{url}: nothing in the clear"
        );
    }
    let world = world("smtp://clinic:canary-mail-password@{}").await;
    let credentials = |password: &str| Some(("clinic".to_owned(), password.to_owned()));
    set(&world, |behaviour| {
        behaviour.credentials = credentials("canary-mail-password")
    });
    let (status, body) = world.send(&mail("m1", "synchronous", "a")).await;
    assert_eq!((status, &body["state"]), (200, &json!("sent")), "{body}");
    let rows = world
        .text_of("SELECT string_agg(t::text, ' ') FROM (SELECT * FROM provider_credentials) t")
        .await
        .unwrap();
    assert!(!rows.contains("canary-mail-password"));
}
