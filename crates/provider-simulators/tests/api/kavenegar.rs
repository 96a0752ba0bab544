use serde_json::{Value, json};

use super::{Form, client, get, simulators};

async fn call(base: &str, path: &str, form: &[(&str, &str)]) -> (u16, Value) {
    let answer = client()
        .post(format!("{base}/kavenegar/v1/{path}"))
        .form_fields(form)
        .send()
        .await
        .unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

#[tokio::test]
async fn a_text_is_accepted_and_lands_in_the_inbox() {
    let running = simulators().await;
    let base = &running.base_url;
    let form = [
        ("receptor", "09121234567"),
        ("message", "سلام"),
        ("sender", "10004346"),
        ("localid", "77"),
    ];
    let (status, body) = call(base, "kavenegar-key/sms/send.json", &form).await;
    assert_eq!(status, 200);
    assert_eq!(
        body["return"],
        json!({"status": 200, "message": "تایید شد"})
    );
    let entry = &body["entries"][0];
    assert_eq!(
        (&entry["receptor"], &entry["cost"]),
        (&json!("09121234567"), &json!(120))
    );
    let (_, repeated) = call(base, "kavenegar-key/sms/send.json", &form).await;
    assert_eq!(
        repeated["entries"][0]["messageid"], entry["messageid"],
        "a known localid sends nothing new"
    );
    let inbox = get(format!("{base}/dev/inbox/messages/?to=09121234567")).await;
    assert_eq!(
        (&inbox["count"], &inbox["results"][0]["text"]),
        (&json!(1), &json!("سلام"))
    );
    let id = entry["messageid"].to_string();
    let (_, known) = call(base, "kavenegar-key/sms/status.json", &[("messageid", &id)]).await;
    assert!([1, 5, 10].contains(&known["entries"][0]["status"].as_i64().unwrap()));
    let (status, unknown) =
        call(base, "kavenegar-key/sms/status.json", &[("messageid", "1")]).await;
    assert_eq!(
        (status, &unknown["entries"][0]["status"]),
        (200, &json!(100))
    );
    let (_, local) = call(
        base,
        "kavenegar-key/sms/statuslocalmessageid.json",
        &[("localid", "77")],
    )
    .await;
    assert_eq!(
        local["entries"][0]["localid"], "77",
        "as a string, as documented"
    );
}

#[tokio::test]
async fn lookup_renders_a_template_and_refuses_bad_tokens() {
    let running = simulators().await;
    let base = &running.base_url;
    let lookup = async |template: &str, token: &str| {
        call(
            base,
            "kavenegar-key/verify/lookup.json",
            &[
                ("receptor", "09121234567"),
                ("template", template),
                ("token", token),
            ],
        )
        .await
    };
    let (status, body) = lookup("verify", "12345").await;
    assert_eq!(
        (status, &body["entries"][0]["message"]),
        (200, &json!("کد تایید شما: 12345"))
    );
    assert_eq!(body["entries"][0]["status"], 5);
    for (template, token, expected) in [
        ("none", "1", 424),
        ("verify", "1 2", 431),
        ("verify", "1_2", 431),
        ("verify", "1\n2", 431),
        ("verify", "", 406),
    ] {
        let (status, body) = lookup(template, token).await;
        assert_eq!(
            (status, &body["return"]["status"]),
            (expected, &json!(expected)),
            "{template} {token:?}"
        );
        assert!(body["entries"].is_null());
    }
}

#[tokio::test]
async fn it_refuses_what_the_vendor_refuses() {
    let running = simulators().await;
    let base = &running.base_url;
    let long = "س".repeat(901);
    let many = vec!["09121234567"; 201].join(",");
    let cases: [(_, Vec<(_, &str)>, u16); 11] = [
        (
            "wrong/sms/send.json",
            vec![("receptor", "09121234567"), ("message", "a")],
            403,
        ),
        ("kavenegar-key/sms/nothing.json", vec![], 404),
        ("kavenegar-key/sms/send.json", vec![("message", "a")], 400),
        (
            "kavenegar-key/sms/send.json",
            vec![("receptor", ""), ("message", "a")],
            406,
        ),
        (
            "kavenegar-key/sms/send.json",
            vec![("receptor", "12"), ("message", "a")],
            411,
        ),
        (
            "kavenegar-key/sms/send.json",
            vec![
                ("receptor", "09121234567"),
                ("message", "a"),
                ("sender", "5"),
            ],
            412,
        ),
        (
            "kavenegar-key/sms/send.json",
            vec![("receptor", "09121234567"), ("message", &long)],
            413,
        ),
        (
            "kavenegar-key/sms/send.json",
            vec![("receptor", &many), ("message", "a")],
            414,
        ),
        (
            "kavenegar-key/sms/send.json",
            vec![("receptor", "09121234567"), ("message", "a"), ("date", "1")],
            417,
        ),
        (
            "kavenegar-key/sms/send.json",
            vec![
                ("receptor", "09121234567"),
                ("message", "a"),
                ("localid", "1,2"),
            ],
            419,
        ),
        (
            "kavenegar-key/sms/send.json",
            vec![("receptor", "09121234567"), ("message", "a"), ("tag", "x")],
            607,
        ),
    ];
    for (path, form, expected) in cases {
        let (status, body) = call(base, path, &form).await;
        assert_eq!(
            (status, &body["return"]["status"]),
            (expected, &json!(expected)),
            "{path}"
        );
    }
    let json_body = client()
        .post(format!("{base}/kavenegar/v1/kavenegar-key/sms/send.json"))
        .json(&json!({"receptor": "09121234567", "message": "a"}))
        .send()
        .await
        .unwrap();
    assert_eq!(
        json_body.status(),
        400,
        "JSON bodies count as no parameters"
    );
    let method = client()
        .delete(format!("{base}/kavenegar/v1/kavenegar-key/sms/send.json"))
        .send()
        .await
        .unwrap();
    assert_eq!(method.status(), 405);
}

#[tokio::test]
async fn credit_runs_out_and_errors_come_on_demand() {
    let running = simulators().await;
    let base = &running.base_url;
    let mut behaviour = running.state.kavenegar.behaviour();
    behaviour.credit = 130;
    running.state.kavenegar.set_behaviour(behaviour);
    let form = [("receptor", "09121234567"), ("message", "a")];
    assert_eq!(
        call(base, "kavenegar-key/sms/send.json", &form).await.0,
        200
    );
    assert_eq!(
        call(base, "kavenegar-key/sms/send.json", &form).await.0,
        418
    );
    let (_, info) = call(base, "kavenegar-key/account/info.json", &[]).await;
    assert_eq!(
        (&info["entries"]["remaincredit"], &info["entries"]["type"]),
        (&json!(10), &json!("master"))
    );
    let mut behaviour = running.state.kavenegar.behaviour();
    behaviour.fail_with = Some(451);
    behaviour.fail_times = 1;
    running.state.kavenegar.set_behaviour(behaviour);
    assert_eq!(
        call(base, "kavenegar-key/account/info.json", &[]).await.0,
        451
    );
    assert_eq!(
        call(base, "kavenegar-key/account/info.json", &[]).await.0,
        200
    );
    assert!(
        get(format!("{base}/kavenegar/v1/0/utils/getdate.json")).await["entries"]["unixtime"]
            .is_i64()
    );
}

#[tokio::test]
async fn a_call_speaks_digits_only_and_shows_as_a_call() {
    let running = simulators().await;
    let base = &running.base_url;
    let speak = async |token: &str| {
        call(
            base,
            "kavenegar-key/verify/lookup.json",
            &[
                ("receptor", "09121234567"),
                ("template", "verify"),
                ("token", token),
                ("type", "call"),
            ],
        )
        .await
    };
    assert_eq!(speak("12a45").await.0, 428);
    assert_eq!(speak("12345").await.0, 200);
    let messages = running.state.kavenegar.messages();
    assert_eq!(messages.len(), 1);
    assert!(messages[0].by_call);
    let inbox = get(format!("{base}/dev/inbox/messages/?channel=voice")).await;
    assert_eq!(inbox["count"], 1);
}
