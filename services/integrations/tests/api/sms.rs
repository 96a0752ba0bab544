//! The public routes for texts.

use common_types::ClinicRole;
use serde_json::{Value, json};

use crate::support::{Setup, World, answer};

async fn send(world: &World, body: &Value) -> (u16, Value) {
    let token = world.staff(ClinicRole::Secretary);
    answer(
        world
            .service
            .post("/api/integrations/sms/send/")
            .bearer_auth(token)
            .json(body),
    )
    .await
}

#[tokio::test]
async fn i03_otp_pattern_and_simple_have_their_shapes() {
    let world = World::with_kavenegar().await;
    let otp = json!({"receptor": "09123456789", "message_type": "otp", "token": "12345", "template": "verify"});
    let (status, body) = send(&world, &otp).await;
    assert_eq!((status, &body["success"]), (200, &json!(true)), "{body}");
    assert_eq!(
        (body["message_id"].as_i64().unwrap() > 0, &body["cost"]),
        (true, &json!(120))
    );
    assert_eq!(world.inbox("09123456789")[0], "کد تایید شما: 12345");
    let without = json!({"receptor": "09123456789", "message_type": "otp", "token": "777"});
    assert_eq!(
        send(&world, &without).await.0,
        200,
        "the template defaults to verify"
    );
    let pattern = json!({"receptor": "09123456789", "message_type": "pattern", "template": "patient-access-otp",
        "tokens": {"token": "55"}});
    assert!(send(&world, &pattern).await.1["message_id"].is_i64());
    let simple = json!({"receptor": "09123456789", "message": "سلام"});
    let (status, body) = send(&world, &simple).await;
    assert_eq!(
        (status, &body["success"], &body["total_cost"]),
        (200, &json!(true), &json!(120))
    );
    let number = body["message_ids"][0].as_i64().unwrap();
    let token = world.staff(ClinicRole::Doctor);
    for id in [number.to_string(), body["id"].as_str().unwrap().to_owned()] {
        let (status, shown) = answer(
            world
                .service
                .get(&format!("/api/integrations/sms/{id}/"))
                .bearer_auth(&token),
        )
        .await;
        assert_eq!(
            (status, &shown["message_id"], &shown["status"]),
            (200, &json!(number), &json!("sent")),
            "{shown}"
        );
        assert_eq!(shown["receptor"], "+98912***6789");
    }
    let stranger = world.token(|claims| {
        claims.org = Some(uuid::Uuid::now_v7());
        claims.clinic_role = Some(ClinicRole::Doctor);
    });
    let foreign = world
        .service
        .get(&format!("/api/integrations/sms/{number}/"))
        .bearer_auth(stranger);
    assert_eq!(answer(foreign).await.0, 404);
}

#[tokio::test]
async fn i03_works_with_the_development_inbox_alone() {
    let world = World::start().await;
    let otp = json!({"receptor": "۰۹۱۲۳۴۵۶۷۸۹", "message_type": "otp", "token": "12345"});
    let (status, body) = send(&world, &otp).await;
    assert_eq!(status, 200, "Persian digits are fine: {body}");
    assert_eq!(world.inbox("09123456789"), ["کد تایید شما: 12345"]);
}

#[tokio::test]
async fn i03_refusals_are_the_old_ones() {
    let world = World::start().await;
    let cases = [
        (
            json!({"receptor": "0912"}),
            "receptor",
            "Ensure this field has at least 11 characters.",
        ),
        (
            json!({"receptor": "12345678901", "message": "a"}),
            "receptor",
            "شماره موبایل باید با 09 شروع شود و 11 رقم باشد.",
        ),
        (
            json!({"receptor": "09123456789", "message_type": "otp"}),
            "non_field_errors",
            "برای ارسال OTP، فیلد token الزامی است.",
        ),
        (
            json!({"receptor": "09123456789", "message_type": "pattern"}),
            "non_field_errors",
            "برای ارسال با قالب، فیلد tokens الزامی است.",
        ),
        (
            json!({"receptor": "09123456789"}),
            "non_field_errors",
            "برای ارسال پیام ساده، فیلد message الزامی است.",
        ),
        (
            json!({"receptor": "09123456789", "message_type": "fax"}),
            "message_type",
            "\"fax\" is not a valid choice.",
        ),
    ];
    for (body, field, words) in cases {
        let (status, refused) = send(&world, &body).await;
        assert_eq!((status, &refused[field]), (400, &json!([words])), "{body}");
    }
}

#[tokio::test]
async fn i03_a_refusing_provider_is_400_with_its_words() {
    let world = World::with(Setup {
        kavenegar: true,
        settings: vec![("development.stand_ins", "false".to_owned())],
        ..Setup::default()
    })
    .await;
    let mut behaviour = world.simulators.state.kavenegar.behaviour();
    behaviour.credit = 0;
    world.simulators.state.kavenegar.set_behaviour(behaviour);
    let (status, body) = send(&world, &json!({"receptor": "09123456789", "message": "a"})).await;
    assert_eq!(
        (status, body),
        (
            400,
            json!({"success": false, "error": "اعتبار شما کافی نمی‌باشد"})
        )
    );
    let token = world.staff(ClinicRole::Secretary);
    let chelseru = json!({"mobile_number": "09123456789", "message_text": "a"});
    let (status, body) = answer(
        world
            .service
            .post("/api/message/send/")
            .bearer_auth(token)
            .json(&chelseru),
    )
    .await;
    assert_eq!(status, 502);
    assert_eq!(
        body["details"],
        "The SMS service provider was unable to process the request."
    );
    assert_eq!(
        (&body["obj_status"], &body["data"]["details"]),
        (&json!(418), &body["details"])
    );
}

#[tokio::test]
async fn i20_message_send_gives_the_keys_of_both_contracts() {
    let world = World::start().await;
    let token = world.staff(ClinicRole::Secretary);
    let send = async |body: Value| {
        answer(
            world
                .service
                .post("/api/message/send/")
                .bearer_auth(&token)
                .json(&body),
        )
        .await
    };
    let (status, body) =
        send(json!({"mobile_number": "09123456789", "message_text": "سلام", "template_id": 1}))
            .await;
    assert_eq!(status, 200, "{body}");
    assert_eq!(
        (&body["details"], &body["receiver"]),
        (
            &json!("The Message was sent correctly."),
            &json!("09123456789")
        )
    );
    assert_eq!(body["message"], "سلام");
    assert!(body["messageid"].is_i64());
    assert_eq!(
        send(json!({"mobile_number": "09123456789", "message_text": "س".repeat(290)}))
            .await
            .0,
        200
    );
    let (status, long) =
        send(json!({"mobile_number": "09123456789", "message_text": "س".repeat(291)})).await;
    assert_eq!(
        (status, &long["message_text"]),
        (
            400,
            &json!(["Ensure this field has no more than 290 characters."])
        )
    );
    let (status, missing) = send(json!({"message_text": "a"})).await;
    assert_eq!(
        (status, &missing["mobile_number"]),
        (400, &json!(["This field is required."]))
    );
    let (status, anonymous) =
        answer(world.service.post("/api/message/send/").json(&json!({}))).await;
    assert_eq!(
        (status, &anonymous["detail"]),
        (401, &json!("Authentication credentials were not provided."))
    );
}

#[tokio::test]
async fn i08_a_staff_account_is_no_sms_pump() {
    let world = World::with(Setup {
        settings: vec![("messages.per_user_hour", "2".to_owned())],
        ..Setup::default()
    })
    .await;
    let token = world.staff(ClinicRole::Secretary);
    let body = json!({"receptor": "09123456789", "message": "a"});
    let send = async || {
        answer(
            world
                .service
                .post("/api/integrations/sms/send/")
                .bearer_auth(&token)
                .json(&body),
        )
        .await
    };
    assert_eq!((send().await.0, send().await.0), (200, 200));
    let (status, refused) = send().await;
    assert_eq!(
        (status, refused),
        (
            429,
            json!({"success": false, "error": "تعداد درخواست‌ها بیش از حد مجاز است"})
        )
    );
}
