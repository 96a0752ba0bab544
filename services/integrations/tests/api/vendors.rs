//! The vendors' clients against simulators that follow their documents (I06, I21): what is sent, and what every answer means.

use common_types::ClinicRole;
use provider_simulators::vendor::Faults;
use serde_json::{Value, json};

use crate::support::{Setup, World, answer, sms};

const SENEGAL: &str = "+221771234567";

async fn send(world: &World, body: &Value) -> (u16, Value) {
    let token = world.staff(ClinicRole::Secretary);
    world
        .call("POST", "/api/integrations/sms/send/", &token, body)
        .await
}

fn to_senegal(key: &str, purpose: &str, text: &str) -> Value {
    let mut message = sms(key, "synchronous", purpose, text);
    message["to"] = json!(SENEGAL);
    message
}

#[tokio::test]
async fn i06_melipayamak_sends_texts_and_patterns() {
    let world = World::with_vendors(&["melipayamak"]).await;
    let (status, body) = send(
        &world,
        &json!({"receptor": "09123456789", "message": "سلام"}),
    )
    .await;
    assert_eq!((status, &body["success"]), (200, &json!(true)), "{body}");
    let number = body["message_ids"][0].as_i64().unwrap();
    assert!(number > 1 << 53, "an id beyond a double stays whole");
    let requests = world
        .simulators
        .state
        .recorder
        .of("/melipayamak/api/SendSMS/SendSMS");
    insta::assert_json_snapshot!("melipayamak_send", requests);
    let template = json!({"key": "patient-access-otp", "provider": "melipayamak", "value": "1002", "platform": true});
    let (status, created) = world
        .call(
            "POST",
            "/api/integrations/templates/",
            &world.superuser(),
            &template,
        )
        .await;
    assert_eq!(status, 201, "{created}");
    let pattern = json!({"receptor": "09123456789", "message_type": "pattern", "template": "patient-access-otp",
        "tokens": {"token": "5;5"}});
    let (status, body) = send(&world, &pattern).await;
    assert_eq!(status, 200, "{body}");
    let requests = world.simulators.state.recorder.of("BaseServiceNumber");
    insta::assert_json_snapshot!("melipayamak_pattern", requests);
    let taken = world.simulators.state.melipayamak.taken();
    assert_eq!(taken[1].text, "کد دسترسی پزشک به پرونده شما: 5؛5");
}

#[tokio::test]
async fn i06_melipayamaks_refusals_are_refusals_and_its_nonsense_is_unknown() {
    let world = World::with_vendors(&["melipayamak"]).await;
    let account = &world.simulators.state.melipayamak;
    for (code, words) in [
        (2, "اعتبار کافی نیست"),
        (35, "گیرنده در لیست سیاه مخابرات است"),
    ] {
        account.set_faults(Faults {
            fail_with: Some(code),
            ..Faults::default()
        });
        let (status, body) =
            send(&world, &json!({"receptor": "09123456789", "message": "a"})).await;
        assert_eq!((status, &body["error"]), (400, &json!(words)));
    }
    account.set_faults(Faults {
        malformed: true,
        ..Faults::default()
    });
    let (status, body) = world
        .send(&sms("k1", "synchronous", "notification", "a"))
        .await;
    assert_eq!((status, &body["state"]), (200, &json!("unknown")), "{body}");
}

#[tokio::test]
async fn i21_parsian_takes_templates_only() {
    let world = World::with_vendors(&["parsian"]).await;
    let token = world.staff(ClinicRole::Secretary);
    let post = async |body: Value| {
        world
            .call("POST", "/api/message/send/", &token, &body)
            .await
    };
    let plain = json!({"mobile_number": "09123456789", "message_text": "12345"});
    let (status, body) = post(plain).await;
    assert_eq!(
        (status, &body["template_id"]),
        (400, &json!(["This field is required."])),
        "{body}"
    );
    let asked = world.simulators.state.recorder.of("/parsian/");
    assert!(asked.is_empty(), "refused before anything is sent");
    let by_number =
        json!({"mobile_number": "09123456789", "message_text": "1,2", "template_id": 1});
    let (status, body) = post(by_number).await;
    assert_eq!(
        (status, &body["details"]),
        (200, &json!("The Message was sent correctly.")),
        "{body}"
    );
    let requests = world
        .simulators
        .state
        .recorder
        .of("/parsian/webservice-send-sms/send");
    insta::assert_json_snapshot!("parsian_send", requests);
    // A key of our own, as django-chelseru's TEMPLATES has them.
    let entry = json!({"key": "T7", "provider": "parsian", "value": "3"});
    let admin = world.admin();
    assert_eq!(
        world
            .call("POST", "/api/integrations/templates/", &admin, &entry)
            .await
            .0,
        201
    );
    let by_key = json!({"mobile_number": "09123456789", "message_text": "key", "token2": "password", "template_id": 7});
    let (status, body) = post(by_key).await;
    assert_eq!(status, 200, "{body}");
    let taken = world.simulators.state.parsian.taken();
    assert_eq!(taken[1].text, "کلید: key رمز: password");
    world.simulators.state.parsian.set_faults(Faults {
        fail_with: Some(401),
        ..Faults::default()
    });
    let (status, body) =
        post(json!({"mobile_number": "09123456789", "message_text": "1", "template_id": 1})).await;
    assert_eq!(
        (status, &body["errorcode"], &body["errortext"]),
        (
            502,
            &json!(401),
            &json!("Authentication is not accepted, check your token...")
        ),
        "{body}"
    );
}

#[tokio::test]
async fn i21_the_chosen_service_is_tried_first_whatever_its_priority() {
    let world = World::with(Setup {
        kavenegar: true,
        vendors: &["melipayamak"],
        settings: vec![("messages.sms_service", "MELI_PAYAMAK_COM".to_owned())],
        ..Setup::default()
    })
    .await;
    let (_, body) = world
        .send(&sms("k1", "synchronous", "notification", "a"))
        .await;
    assert_eq!(body["provider"], "melipayamak");
}

#[tokio::test]
async fn twilio_sends_and_every_refusal_is_told_apart() {
    let world = World::with_vendors(&["twilio"]).await;
    let (status, body) = world.send(&to_senegal("k1", "otp", "Code : 12345")).await;
    assert_eq!(
        (status, &body["provider"]),
        (200, &json!("twilio")),
        "{body}"
    );
    insta::assert_json_snapshot!(
        "twilio_send",
        world.simulators.state.recorder.of("/twilio/"),
        // Its secret is another one in every database.
        { "[].body.StatusCallback" => "[callback]" }
    );
    let account = &world.simulators.state.twilio;
    for (code, state, error) in [
        (21_610, "refused", "twilio.21610"),
        (20_429, "refused", "twilio.20429"),
        (500, "unknown", "server_error"),
    ] {
        account.set_faults(Faults {
            fail_with: Some(code),
            ..Faults::default()
        });
        let key = format!("k-{code}");
        let (_, body) = world.send(&to_senegal(&key, "notification", "a")).await;
        assert_eq!(body["state"], state, "{code} {body}");
        let sql = format!("SELECT error_code FROM messages WHERE idempotency_key = '{key}'");
        assert_eq!(world.text_of(&sql).await.as_deref(), Some(error));
    }
}

#[tokio::test]
async fn oranges_token_is_held_and_renewed_when_it_ends_early() {
    let world = World::with_vendors(&["orange"]).await;
    for key in ["k1", "k2"] {
        let (status, body) = world.send(&to_senegal(key, "otp", "Code : 12345")).await;
        assert_eq!(
            (status, &body["provider"]),
            (200, &json!("orange")),
            "{body}"
        );
    }
    let recorder = &world.simulators.state.recorder;
    assert_eq!(recorder.of("/orange/oauth/").len(), 1, "one token for both");
    let mut requests = recorder.of("/orange/oauth/");
    requests.extend(recorder.of("/orange/smsmessaging/").into_iter().take(1));
    insta::assert_json_snapshot!("orange_send", requests);
    world.simulators.state.orange_tokens.expire();
    let (status, _) = world.send(&to_senegal("k3", "otp", "Code : 12345")).await;
    assert_eq!((status, recorder.of("/orange/oauth/").len()), (200, 2));
    assert_eq!(world.simulators.state.orange.taken().len(), 3);
    world.simulators.state.orange.set_faults(Faults {
        fail_with: Some(403),
        ..Faults::default()
    });
    let (status, _) = world.send(&to_senegal("k4", "otp", "a")).await;
    let error = world
        .text_of("SELECT error_code FROM messages WHERE idempotency_key = 'k4'")
        .await;
    assert_eq!((status, error.as_deref()), (502, Some("orange.POL0001")));
}

#[tokio::test]
async fn countries_choose_their_carriers() {
    let world = World::with(Setup {
        kavenegar: true,
        vendors: &["orange"],
        settings: vec![("development.stand_ins", "false".to_owned())],
        ..Setup::default()
    })
    .await;
    let (_, body) = world.send(&to_senegal("k1", "otp", "1")).await;
    assert_eq!(body["provider"], "orange");
    let (_, body) = world.send(&sms("k2", "synchronous", "otp", "1")).await;
    assert_eq!(body["provider"], "kavenegar");
    let mut elsewhere = sms("k3", "synchronous", "otp", "1");
    elsewhere["to"] = json!("+33612345678");
    let (status, body) = world.send(&elsewhere).await;
    if status == 502 {
        assert_eq!(body["state"], "refused", "nobody carries France here");
    } else {
        assert_eq!(status, 400, "no number of a country we know: {body}");
    }
}

#[tokio::test]
async fn a_generic_provider_is_a_matter_of_settings() {
    use diesel_async::RunQueryDsl;
    use wiremock::{Mock, MockServer, ResponseTemplate, matchers};
    let vendor = MockServer::start().await;
    Mock::given(matchers::method("POST"))
        .and(matchers::path("/sms/09120000010"))
        .and(matchers::header("x-reference", "tabib"))
        .and(matchers::body_json(
            json!({"to": "989120000010", "body": "say \"hi\" & go"}),
        ))
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({"ok": 1, "id": "g-7"})))
        .expect(1)
        .mount(&vendor)
        .await;
    let world = World::with_vendors(&[]).await;
    let settings = json!({"prefixes": ["98"], "segment_price": 90, "http": {
        "url": format!("{}/sms/{{{{ to_local }}}}", vendor.uri()),
        "headers": {"x-reference": "tabib"},
        "body": "{\"to\": {{ to_digits }}, \"body\": {{ text }}}",
        "success": {"pointer": "/ok", "values": [1]},
        "id_pointer": "/id",
    }});
    let sql = format!(
        "INSERT INTO providers (id, name, slug, provider_type, adapter, settings, created_at, updated_at) \
         VALUES (gen_random_uuid(), 'House gateway', 'house', 'sms', 'http_sms', '{settings}', now(), now())"
    );
    let mut conn = world.service.database.db.get().await.unwrap();
    diesel::sql_query(sql).execute(&mut conn).await.unwrap();
    drop(conn);
    let (status, body) = world
        .send(&sms("k1", "synchronous", "notification", "say \"hi\" & go"))
        .await;
    assert_eq!(
        (status, &body["provider"]),
        (200, &json!("house")),
        "{body}"
    );
    let stored = world
        .text_of("SELECT provider_message_id || ' ' || cost_amount || ' ' || cost_currency FROM messages")
        .await;
    assert_eq!(
        stored.as_deref(),
        Some("g-7 90 IRR"),
        "its price is the settings' word"
    );
}

#[tokio::test]
async fn i06_health_shows_each_accounts_balance() {
    let world = World::with_vendors(&["melipayamak", "parsian", "twilio", "orange"]).await;
    for (slug, balance) in [
        ("melipayamak", json!(12_500.5)),
        ("parsian", json!(84_000.0)),
        ("twilio", json!(12.34)),
        ("orange", json!(480)),
    ] {
        let path = format!("/api/integrations/providers/{slug}/health-check/");
        let asked = world.service.get(&path).bearer_auth(world.superuser());
        let (status, body) = answer(asked).await;
        assert_eq!(
            (status, &body["status"], &body["balance"]),
            (200, &json!("healthy"), &balance),
            "{slug} {body}"
        );
    }
}

#[tokio::test]
async fn a_provider_that_forbids_links_gets_texts_without_them() {
    let world = World::with_vendors(&["melipayamak"]).await;
    let text = "گزارش شما: https://clinic.example/r?a=1 آماده است";
    let mine = |key: &str| crate::support::sms(key, "synchronous", "notification", text);
    let (status, body) = world.send(&mine("k1")).await;
    assert_eq!((status, &body["state"]), (200, &json!("sent")), "{body}");
    let sent = world.simulators.state.melipayamak.taken();
    assert_eq!(sent[0].text, "گزارش شما: آماده است");
    // An operator whose line may carry them says so; this one's may not, and the vendor refuses.
    let (status, changed) = world
        .call(
            "PATCH",
            "/api/integrations/providers/melipayamak/settings/",
            &world.superuser(),
            &json!({"settings": {"prefixes": ["98"], "forbids_links": false}}),
        )
        .await;
    assert_eq!(status, 200, "{changed}");
    let (status, body) = world.send(&mine("k2")).await;
    assert_eq!((status, &body["state"]), (502, &json!("refused")), "{body}");
    let token = world.staff(common_types::ClinicRole::Secretary);
    let (_, counted) = world
        .call(
            "POST",
            "/api/integrations/sms/segments/",
            &token,
            &json!({"text": text}),
        )
        .await;
    assert_eq!(counted["links"], 1, "shown before it is sent: {counted}");
}
