//! Who is written to, when, and how much: quiet hours, quotas, bulk requests, and what staff see of it.

use chrono::TimeDelta;
use common_types::ClinicRole;
use serde_json::{Value, json};
use service_testing::eventually;

use crate::support::{SOON, World, answer, sms};

#[tokio::test]
async fn what_is_not_urgent_waits_for_the_morning_of_the_organisation() {
    let mut world = World::start().await;
    let now = world.service.clock.shared().now();
    let hour = |at: chrono::DateTime<chrono::Utc>| at.format("%H:%M").to_string();
    let settings = json!({"time_zone": "Africa/Dakar", "quiet_from": hour(now - TimeDelta::hours(1)),
        "quiet_until": hour(now + TimeDelta::hours(1))});
    let (status, shown) = world
        .call(
            "PUT",
            "/api/integrations/sms/settings/",
            &world.admin(),
            &settings,
        )
        .await;
    assert_eq!(
        (status, &shown["time_zone"]),
        (200, &json!("Africa/Dakar")),
        "{shown}"
    );
    let of = |key: &str, purpose: &str, organization: bool| {
        let mut message = sms(key, "queued", purpose, "text");
        if organization {
            message["organization_id"] = json!(world.organization);
        }
        message
    };
    for message in [
        of("news", "notification", true),
        of("key", "credentials", true),
        of("other", "notification", false),
    ] {
        assert_eq!(world.send(&message).await.0, 200);
    }
    world.service.start_worker();
    for key in ["key", "other"] {
        eventually(SOON, async || {
            world.state_of(key).await.as_deref() == Some("delivered")
        })
        .await;
    }
    assert_eq!(world.state_of("news").await.as_deref(), Some("queued"));
    world.service.clock.advance(TimeDelta::minutes(61));
    eventually(SOON, async || {
        world.state_of("news").await.as_deref() == Some("delivered")
    })
    .await;
    for wrong in [
        json!({"time_zone": "Mars/Olympus"}),
        json!({"time_zone": "Asia/Tehran", "quiet_from": "22:00"}),
        json!({"time_zone": "Asia/Tehran", "quiet_from": "25:00", "quiet_until": "08:00"}),
        json!({"time_zone": "Asia/Tehran", "monthly_segments": -1}),
    ] {
        let (status, body) = world
            .call(
                "PUT",
                "/api/integrations/sms/settings/",
                &world.admin(),
                &wrong,
            )
            .await;
        assert_eq!(status, 400, "{wrong} {body}");
    }
    let doctor = world.staff(ClinicRole::Doctor);
    let refused = world
        .call("PUT", "/api/integrations/sms/settings/", &doctor, &settings)
        .await;
    assert_eq!(refused.0, 403);
}

#[tokio::test]
async fn an_organisations_quota_holds_under_parallel_calls_and_spares_codes() {
    let world = World::start().await;
    let settings = json!({"time_zone": "Asia/Tehran", "monthly_segments": 5});
    assert_eq!(
        world
            .call(
                "PUT",
                "/api/integrations/sms/settings/",
                &world.admin(),
                &settings
            )
            .await
            .0,
        200
    );
    let token = world.staff(ClinicRole::Secretary);
    let body = json!({"receptor": "09123456789", "message": "a"});
    let sends = (0..12).map(|_| world.call("POST", "/api/integrations/sms/send/", &token, &body));
    let answers = futures_util::future::join_all(sends).await;
    let good = answers.iter().filter(|(status, _)| *status == 200).count();
    assert_eq!(good, 5, "{answers:?}");
    let spent = answers.iter().find(|(status, _)| *status == 429).unwrap();
    assert_eq!(spent.1["success"], json!(false), "{spent:?}");
    assert_eq!(world.inbox("09123456789").len(), 5);
    let otp = json!({"receptor": "09123456789", "message_type": "otp", "token": "12345"});
    assert_eq!(
        world
            .call("POST", "/api/integrations/sms/send/", &token, &otp)
            .await
            .0,
        200
    );
    let (_, shown) = world
        .call(
            "GET",
            "/api/integrations/sms/settings/",
            &world.admin(),
            &Value::Null,
        )
        .await;
    assert_eq!(
        shown["this_month"],
        json!({"messages": 6, "segments": 6, "limited_segments": 5})
    );
}

#[tokio::test]
async fn i06_one_text_to_many_goes_in_few_calls_and_once_per_key() {
    let mut world = World::with_kavenegar().await;
    world.service.start_worker();
    let token = world.staff(ClinicRole::Secretary);
    let receptors: Vec<String> = (0..200)
        .map(|number| format!("0912000{number:04}"))
        .collect();
    let opted = json!({"phone": receptors[7]});
    assert_eq!(
        world
            .call("POST", "/api/integrations/sms/opt-outs/", &token, &opted)
            .await
            .0,
        201
    );
    let body = json!({"receptors": receptors, "message": "مطب فردا تعطیل است"});
    let post = async |key: &str, body: &Value| {
        answer(
            world
                .service
                .post("/api/integrations/sms/bulk/")
                .bearer_auth(&token)
                .header("Idempotency-Key", key)
                .json(body),
        )
        .await
    };
    let (status, first) = post("b1", &body).await;
    assert_eq!(
        (
            status,
            &first["count"],
            &first["accepted"],
            &first["opted_out"],
            &first["segments"]
        ),
        (202, &json!(200), &json!(199), &json!(1), &json!(200)),
        "{first}"
    );
    let (status, again) = post("b1", &body).await;
    assert_eq!(
        (status, &again["batch"], &again["message_ids"]),
        (202, &first["batch"], &first["message_ids"])
    );
    let other = json!({"receptors": receptors, "message": "another"});
    assert_eq!(post("b1", &other).await.0, 422);
    eventually(SOON, async || {
        let sql = "SELECT count(*) FROM messages WHERE state IN ('sent', 'delivered')";
        world.text_of(sql).await.as_deref() == Some("199")
    })
    .await;
    let mut reached: Vec<String> = world
        .simulators
        .state
        .kavenegar
        .messages()
        .into_iter()
        .map(|message| message.receptor)
        .collect();
    reached.sort();
    reached.dedup();
    assert_eq!(world.simulators.state.kavenegar.messages().len(), 199);
    assert_eq!(
        (reached.len(), reached.contains(&receptors[7])),
        (199, false)
    );
    let (status, later) = post("b1", &body).await;
    assert_eq!((status, &later), (202, &first), "alike when they are sent");
    let shown = format!("/api/integrations/sms/{}/", first["message_ids"][0]);
    let (status, text) = world.call("GET", &shown, &token, &Value::Null).await;
    assert_eq!(status, 200, "{text}");
    let calls = world.simulators.state.recorder.of("sms/send.json").len();
    assert!(calls <= 8, "{calls} calls for 199 texts");
    let batch = first["batch"].as_str().unwrap();
    let list = format!("/api/integrations/sms/?batch={batch}&status=refused");
    let (_, listed) = world.call("GET", &list, &token, &Value::Null).await;
    assert_eq!(listed["count"], 1, "{listed}");
    for (wrong, field) in [
        (json!({"message": "a"}), "receptors"),
        (json!({"receptors": ["12"], "message": "a"}), "receptors"),
        (json!({"receptors": ["09120000000"]}), "message"),
        (
            json!({"receptors": vec!["09120000000"; 1001], "message": "a"}),
            "receptors",
        ),
        (
            json!({"messages": [{"receptor": "09120000000", "message": " "}]}),
            "messages",
        ),
    ] {
        let (status, body) = post("b2", &wrong).await;
        assert_eq!((status, body[field].is_array()), (400, true), "{body}");
    }
}

#[tokio::test]
async fn staff_see_their_own_texts_filtered_searched_and_in_order() {
    let world = World::with_kavenegar().await;
    let token = world.staff(ClinicRole::Secretary);
    for (receptor, message) in [
        ("09121111111", "a".to_owned()),
        ("09122222222", "س".repeat(71)),
        ("09123333333", "b".to_owned()),
    ] {
        let body = json!({"receptor": receptor, "message": message});
        assert_eq!(
            world
                .call("POST", "/api/integrations/sms/send/", &token, &body)
                .await
                .0,
            200
        );
    }
    let list = async |query: &str| {
        let path = format!("/api/integrations/sms/{query}");
        world.call("GET", &path, &token, &Value::Null).await.1
    };
    let all = list("").await;
    assert_eq!(
        (&all["count"], all["results"][0]["receptor"].as_str()),
        (&json!(3), Some("+98912***3333"))
    );
    let dear = list("?ordering=-cost&page_size=1").await;
    let first = &dear["results"][0];
    assert_eq!(
        (
            &first["segments"],
            &first["cost"],
            &first["currency"],
            &first["provider"]
        ),
        (&json!(2), &json!(240), &json!("IRR"), &json!("kavenegar"))
    );
    assert!(dear["next"].is_string());
    let found = list("?search=0912%20222%202222").await;
    assert_eq!(found["count"], 1);
    let number = first["message_id"].as_i64().unwrap();
    assert_eq!(list(&format!("?search={number}")).await["count"], 1);
    assert_eq!(list("?status=failed").await["count"], 0);
    assert_eq!(
        list("?provider=kavenegar&purpose=notification").await["count"],
        3
    );
    let wrong = world
        .call(
            "GET",
            "/api/integrations/sms/?status=lost",
            &token,
            &Value::Null,
        )
        .await;
    assert_eq!(wrong.0, 400);
    let (_, detail) = world
        .call(
            "GET",
            &format!("/api/integrations/sms/{number}/"),
            &token,
            &Value::Null,
        )
        .await;
    assert_eq!(
        (
            &detail["tries"][0]["provider"],
            &detail["tries"][0]["outcome"]
        ),
        (&json!("kavenegar"), &json!("accepted"))
    );
    assert!(!detail.to_string().contains('س'), "no text is shown");
    let stranger = world.token(|claims| {
        claims.org = Some(uuid::Uuid::now_v7());
        claims.clinic_role = Some(ClinicRole::Admin);
    });
    let (_, foreign) = world
        .call("GET", "/api/integrations/sms/", &stranger, &Value::Null)
        .await;
    assert_eq!(foreign["count"], 0);
    let (_, counted) = world
        .call(
            "POST",
            "/api/integrations/sms/segments/",
            &token,
            &json!({"text": "€".repeat(81)}),
        )
        .await;
    assert_eq!(
        counted,
        json!({"encoding": "gsm7", "units": 162, "segments": 2, "characters": 81, "links": 0})
    );
}

#[tokio::test]
async fn an_accountant_writes_no_texts() {
    let world = World::start().await;
    let token = world.staff(ClinicRole::Accountant);
    for (path, body) in [
        (
            "/api/integrations/sms/send/",
            json!({"receptor": "09123456789", "message": "a"}),
        ),
        (
            "/api/integrations/sms/bulk/",
            json!({"receptors": ["09123456789"], "message": "a"}),
        ),
        (
            "/api/message/send/",
            json!({"mobile_number": "09123456789", "message_text": "a"}),
        ),
    ] {
        assert_eq!(
            world.call("POST", path, &token, &body).await.0,
            403,
            "{path}"
        );
    }
    assert!(world.inbox("09123456789").is_empty());
}
