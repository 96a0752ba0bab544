//! Secrets, texts and people: not in what the process logs, not in rows, not in events.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex, OnceLock},
};

use common_types::ClinicRole;
use diesel_async::RunQueryDsl;
use provider_simulators::openai::AiBehaviour;
use provider_simulators::sandbox::signature;
use reqwest::multipart::{Form, Part};
use serde_json::json;
use service_testing::eventually;
use uuid::Uuid;

use crate::{
    ai_support::{AiWorld, KEY, question, wav},
    outgoing_support::{arrived, call, call_as, emit, ok, receiver, settled},
    support::{KAVENEGAR_KEY, SOON, Setup, WEBHOOK_SECRET, World, answer, sms},
};

/// Everything that the process logs.
#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Begins to keep what the process logs, everything down to DEBUG; once per process.
fn capture() -> Captured {
    static KEPT: OnceLock<Captured> = OnceLock::new();
    let kept = KEPT.get_or_init(|| {
        let captured = Captured::default();
        let writer = captured.clone();
        tracing_subscriber::fmt()
            .with_max_level(tracing_subscriber::filter::LevelFilter::DEBUG)
            .with_writer(move || writer.clone())
            .with_ansi(false)
            .init();
        captured
    });
    kept.clone()
}

#[derive(diesel::QueryableByName)]
struct Row {
    #[diesel(sql_type = diesel::sql_types::Text)]
    row: String,
}

/// Every row of every table of the database, as text.
async fn dump(world: &World) -> Vec<String> {
    let mut conn = world.service.database.db.get().await.unwrap();
    let tables: Vec<Row> = diesel::sql_query(
        "SELECT quote_ident(c.relname) AS row FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND NOT c.relispartition \
         AND has_table_privilege(c.oid, 'SELECT')",
    )
    .load(&mut conn)
    .await
    .unwrap();
    let mut all = Vec::new();
    for table in tables {
        let rows: Vec<Row> =
            diesel::sql_query(format!("SELECT t::text AS row FROM {} t", table.row))
                .load(&mut conn)
                .await
                .unwrap();
        all.extend(
            rows.into_iter()
                .map(|row| format!("{}: {}", table.row, row.row)),
        );
    }
    all
}

#[tokio::test]
async fn q_no_secret_of_an_ai_call_is_in_logs_rows_or_events() {
    let captured = capture();
    let ai = AiWorld::start().await;
    let doctor = ai.world.staff(ClinicRole::Doctor);
    ai.openai(AiBehaviour {
        reply: Some("canary-reply کد ۴۸۲۱۹۳".to_owned()),
        ..AiBehaviour::default()
    });
    let prompt = "canary-prompt code 918273 phone 09121234567 mail canary@clinic.ir";
    let mut body = question("gpt-4", prompt);
    assert_eq!(answer(ai.chat(KEY, &body)).await.0, 200);
    body["stream"] = json!(true);
    ai.chat(KEY, &body)
        .send()
        .await
        .unwrap()
        .bytes()
        .await
        .unwrap();
    assert_eq!(answer(ai.chat("tk_canary_unknown", &body)).await.0, 401);
    let form = Form::new()
        .part(
            "file",
            Part::bytes(wav(8_000)).file_name("canary-patient.wav"),
        )
        .text("prompt", "canary-hint");
    let sent = ai
        .world
        .service
        .post("/api/integrations/ai/transcribe/")
        .bearer_auth(&doctor)
        .multipart(form);
    assert_eq!(answer(sent).await.0, 200);
    let analysis = json!({"prompt": prompt, "analysis_type": "symptoms", "system_prompt": "canary-system",
        "patient_context": {"medical_history": ["canary-history"]}});
    let path = "/api/integrations/ai/generate/";
    assert_eq!(
        answer(
            ai.world
                .service
                .post(path)
                .bearer_auth(&doctor)
                .json(&analysis)
        )
        .await
        .0,
        200
    );
    // Failures are where texts leak: a provider's words, a broken answer, a refused model.
    for behaviour in [
        AiBehaviour {
            fail_with: Some(400),
            ..AiBehaviour::default()
        },
        AiBehaviour {
            malformed: true,
            ..AiBehaviour::default()
        },
    ] {
        ai.openai(behaviour);
        answer(
            ai.world
                .service
                .post(path)
                .bearer_auth(&doctor)
                .json(&analysis),
        )
        .await;
    }
    answer(ai.chat(KEY, &question("canary-model 918273", "x"))).await;
    let log = String::from_utf8_lossy(&captured.0.lock().unwrap()).into_owned();
    assert!(log.len() > 1_000, "the process logs something");
    let rows = dump(&ai.world).await;
    assert!(rows.iter().any(|row| row.starts_with("outbox_events: ")));
    assert!(rows.iter().any(|row| row.starts_with("integration_logs")));
    for secret in [
        "canary-prompt",
        "canary-reply",
        "canary-system",
        "canary-history",
        "canary-patient",
        "canary-hint",
        "canary-model",
        "canary@clinic.ir",
        "918273",
        "482193",
        "۴۸۲۱۹۳",
        "09121234567",
        KEY,
        "tk_canary_unknown",
        "openai-key",
        "anthropic-key",
        "talkbot-key",
        "از دیروز تب",
    ] {
        assert!(!log.contains(secret), "{secret} is logged");
        let found: Vec<&String> = rows.iter().filter(|row| row.contains(secret)).collect();
        assert!(found.is_empty(), "{secret} rests in {found:?}");
    }
}

/// Texts, codes, passwords, numbers, credentials and webhooks pass through a running service, on good and on bad days;
/// nothing of them is in its log, and what may not rest in a row does not.
#[tokio::test]
async fn q_no_secret_of_messages_credentials_and_webhooks_is_logged() {
    let captured = capture();
    let mut world = World::with(Setup {
        kavenegar: true,
        vendors: &["twilio"],
        smtp: Some("smtp://clinic:canary-mail-password@{}"),
        settings: vec![
            ("outgoing.allowed_networks", "127.0.0.0/8".to_owned()),
            ("outgoing.poll_ms", "20".to_owned()),
        ],
        ..Setup::default()
    })
    .await;
    world.service.start_worker();
    let secretary = world.staff(ClinicRole::Secretary);
    // Messages: taken, refused, lost, queued, to many, by mail.
    let code = sms("k1", "synchronous", "otp", "canary-code 918273");
    assert_eq!(world.send(&code).await.0, 200);
    let mut by_mail = sms("k2", "queued", "credentials", "canary-password-zyx");
    by_mail["channel"] = json!("email");
    by_mail["to"] = json!("canary-sara@example.com");
    by_mail["subject"] = json!("canary-subject");
    world.send(&by_mail).await;
    for (number, change) in [("k3", 418_u16), ("k4", 411)] {
        let mut behaviour = world.simulators.state.kavenegar.behaviour();
        behaviour.fail_with = Some(change);
        world.simulators.state.kavenegar.set_behaviour(behaviour);
        world
            .send(&sms(number, "synchronous", "otp", "canary-refused 837465"))
            .await;
    }
    let mut behaviour = world.simulators.state.kavenegar.behaviour();
    behaviour.fail_with = None;
    behaviour.delay_ms = 5_000;
    behaviour.accept_before_delay = true;
    world.simulators.state.kavenegar.set_behaviour(behaviour);
    world
        .send(&sms("k5", "synchronous", "notification", "canary-lost"))
        .await;
    let mut behaviour = world.simulators.state.kavenegar.behaviour();
    behaviour.delay_ms = 0;
    world.simulators.state.kavenegar.set_behaviour(behaviour);
    let text = json!({"receptor": "09120000010", "message": "canary-text"});
    call_as(&world, &secretary, "POST", "sms/send/", text).await;
    let bulk = json!({"receptors": ["09120000010"], "message": "canary-bulk"});
    call_as(&world, &secretary, "POST", "sms/bulk/", bulk).await;
    call_as(
        &world,
        &secretary,
        "GET",
        "sms/?search=09120000010",
        json!({}),
    )
    .await;
    eventually(SOON, async || {
        world
            .state_of("k2")
            .await
            .is_some_and(|state| state != "queued" && state != "sending")
    })
    .await;
    // Credentials: made, refused, rotated.
    let provider = call(&world, "GET", "providers/kavenegar/", json!({}))
        .await
        .1["id"]
        .clone();
    let body = json!({"provider": provider, "key_name": "api_key", "key_value": "canary-credential-1", "environment": "staging"});
    let (_, made) = call(&world, "POST", "credentials/", body.clone()).await;
    call(&world, "POST", "credentials/", body).await;
    let rotate = format!("credentials/{}/rotate/", made["id"].as_str().unwrap());
    call(
        &world,
        "POST",
        &rotate,
        json!({"new_value": "canary-credential-2"}),
    )
    .await;
    call(
        &world,
        "POST",
        &rotate,
        json!({"new_value": ["canary-credential-3"]}),
    )
    .await;
    // Webhooks in: good, forged, unreadable.
    let endpoint = json!({"provider": provider, "name": "x", "endpoint_url": "canary", "secret_key": "canary-inbound-secret",
        "events": ["*"]});
    call(&world, "POST", "webhooks/", endpoint).await;
    let body = json!({"event": "x", "id": "e1", "data": {"phone": "09121234567", "note": "canary-payload"}}).to_string();
    for (url, secret, body) in [
        ("canary", "canary-inbound-secret", body.as_str()),
        ("canary", "another", body.as_str()),
        ("payment-status", WEBHOOK_SECRET, body.as_str()),
        ("canary", "canary-inbound-secret", "canary-payload {"),
    ] {
        let request = world
            .service
            .post(&format!("/api/integrations/webhook/{url}/"))
            .header("x-signature", signature(secret, body.as_bytes()))
            .body(body.to_owned());
        answer(request).await;
    }
    // Webhooks out, with a secret of the receiver's choice; a receiver that fails with words.
    let (good, bad) = (
        receiver(ok()).await,
        receiver(wiremock::ResponseTemplate::new(500).set_body_string("canary-answer")).await,
    );
    for server in [&good, &bad] {
        let url = format!("{}/?key=canary-url-key", server.uri());
        let body = json!({"name": "x", "url": url, "secret": "whsec_Y2FuYXJ5LXNlY3JldC1vZi0zMi1ieXRlcy1hdC1sZWFzdA=="});
        assert_eq!(call(&world, "POST", "endpoints/", body).await.0, 201);
    }
    emit(&world, "payments", &settled(&world, Uuid::now_v7(), 1)).await;
    arrived(&good, 1).await;
    arrived(&bad, 1).await;

    let log = String::from_utf8_lossy(&captured.0.lock().unwrap()).into_owned();
    assert!(
        log.contains("a webhook was refused"),
        "the process logs what happens"
    );
    let never = [
        "canary-code",
        "918273",
        "837465",
        "canary-password-zyx",
        "canary-sara",
        "canary-subject",
        "canary-refused",
        "canary-lost",
        "canary-text",
        "canary-bulk",
        "canary-credential",
        "canary-inbound-secret",
        "canary-mail-password",
        "canary-answer",
        KAVENEGAR_KEY,
        WEBHOOK_SECRET,
        "twilio-token",
        "Y2FuYXJ5LXNlY3JldC1vZi0zMi1ieXRlcy1hdC1sZWFzdA",
        "9120000010",
    ];
    for secret in never
        .into_iter()
        .chain(["canary-payload", "canary-url-key", "09121234567"])
    {
        let line = log.lines().find(|line| line.contains(secret));
        assert!(
            line.is_none(),
            "{secret} is logged: {}",
            line.unwrap_or_default()
        );
    }
    let rows = dump(&world).await;
    for secret in never {
        let found: Vec<&String> = rows.iter().filter(|row| row.contains(secret)).collect();
        assert!(found.is_empty(), "{secret} rests in {found:?}");
    }
}
