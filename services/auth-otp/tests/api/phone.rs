//! Another phone for an account, and recovery by an admin's code.

use reqwest::Method;
use serde_json::{Value, json};
use service_testing::published_events;

use crate::factor::{Factor, ask};
use crate::harness::{App, E164, PHONE, text};

const NEW: &str = "09127654321";
const NEW_E164: &str = "+989127654321";
const REQUEST: &str = "/api/auth/phone-change/request/";
const CONFIRM: &str = "/api/auth/phone-change/confirm/";

async fn request(app: &App, access: &str, phone: &str) -> Value {
    let body = json!({"phone_number": phone});
    app.call(Method::POST, REQUEST, access, body)
        .await
        .expect(200)
}

#[tokio::test]
async fn a_phone_changes_when_both_numbers_prove_themselves() {
    let app = App::start().await;
    let other = app.log_in(PHONE).await;
    let access = app.access(PHONE).await;
    let asked = request(&app, &access, NEW).await;
    assert_eq!(asked["old_code_needed"], true);
    let (old, new) = (app.code(E164).await, app.code(NEW_E164).await);
    // One code is not two; a code of one number is none of the other.
    for body in [
        json!({"code": new}),
        json!({"old_code": old}),
        json!({"code": old, "old_code": new}),
    ] {
        app.call(Method::POST, CONFIRM, &access, body)
            .await
            .expect(400);
    }
    // Nor do the codes count in another session.
    let both = json!({"code": new, "old_code": old});
    let path = CONFIRM;
    app.call(Method::POST, path, &text(&other, "access"), both.clone())
        .await
        .expect(400);
    let done = app
        .call(Method::POST, path, &access, both)
        .await
        .expect(200);
    assert_eq!(done["phone_number"], NEW_E164);
    let me = app.get("/api/auth/me/", &access).await.expect(200);
    assert_eq!(me["phone_number"], NEW_E164);
    // Felt elsewhere, told to the old number, told to the other services, and payouts wait.
    app.get("/api/auth/me/", &text(&other, "access"))
        .await
        .expect(401);
    auth_otp::alert::send_due(&app.state, app.state.now())
        .await
        .unwrap();
    let told = app.last_sms(E164).await;
    assert_eq!(told["purpose"], "notification");
    let events = published_events(&app.db.owner().await).await;
    let updated = events
        .iter()
        .rev()
        .find(|event| event.name == "auth.user_updated")
        .expect("an event");
    assert_eq!(updated.payload["phone"], NEW_E164);
    let path = format!("/internal/users/{}", text(&me, "uuid"));
    let service = app.service_token().await;
    let info = app.get(&path, &service).await.expect(200);
    assert!(info["payouts_held_until"].is_string());
    app.advance(86_400);
    let service = app.service_token().await;
    let info = app.get(&path, &service).await.expect(200);
    assert!(info.get("payouts_held_until").is_none());
    // The old number opens another account now, the new one this.
    let again = app.log_in(NEW).await;
    assert_eq!(again["user"]["id"], me["id"]);
    assert_ne!(app.log_in(PHONE).await["user"]["id"], me["id"]);
}

#[tokio::test]
async fn a_phone_change_needs_a_fresh_proof_and_a_free_number() {
    let app = App::start().await;
    app.log_in(NEW).await;
    let access = app.access(PHONE).await;
    let same = json!({"phone_number": "+98 912 123 4567"});
    app.call(Method::POST, REQUEST, &access, same)
        .await
        .expect(400);
    request(&app, &access, NEW).await;
    let body = json!({"code": app.code(NEW_E164).await, "old_code": app.code(E164).await});
    let taken = app.call(Method::POST, CONFIRM, &access, body).await;
    assert_eq!(taken.expect(409)["code"], "auth.phone_taken");
    app.advance(301);
    let body = json!({"phone_number": "09123333333"});
    let refused = app.call(Method::POST, REQUEST, &access, body).await;
    assert_eq!(refused.expect(403)["code"], "auth.step_up_required");
}

#[tokio::test]
async fn the_old_codes_do_not_serve_for_another_new_number() {
    let app = App::start().await;
    let access = app.access(PHONE).await;
    request(&app, &access, NEW).await;
    let old = app.code(E164).await;
    // Somebody at the keyboard swaps the number after the owner read the first code aloud.
    request(&app, &access, "09123333333").await;
    let body = json!({"code": app.code("+989123333333").await, "old_code": old});
    let refused = app.call(Method::POST, CONFIRM, &access, body).await;
    assert_eq!(refused.expect(400)["field"], "old_code");
}

async fn clinic() -> App {
    let app = App::start().await;
    auth_otp::setup::seed(&app.state, "demo").await.unwrap();
    app
}

async fn recovery_for(app: &App, admin: &str, user: &Value) -> crate::harness::Answer {
    let body = json!({"user": user, "reason": "lost the phone"});
    app.call(Method::POST, "/api/auth/recovery/codes/", admin, body)
        .await
}

#[tokio::test]
async fn an_admins_code_opens_an_account_whose_phone_and_factor_are_lost() {
    let app = clinic().await;
    let doctor = app.log_in("09120000001").await;
    let id = &doctor["user"]["id"];
    Factor::bind(&app, &text(&doctor, "access")).await;
    ask(&app, "09120000001").await;
    let admin = app.access("09120000000").await;
    let made = recovery_for(&app, &admin, id).await.expect(201);
    let first = text(&made, "code");
    let second = text(&recovery_for(&app, &admin, id).await.expect(201), "code");
    let open = |code: &str| json!({"code": code});
    let path = "/api/auth/recovery/";
    app.post(path, open(&first)).await.expect(400);
    app.post(path, open("ABCDE-FGHJK-MNPQR-STUVW"))
        .await
        .expect(400);
    let typed = second.to_lowercase().replace('-', " ");
    let opened = app.post(path, open(&typed)).await.expect(200);
    app.post(path, open(&second)).await.expect(400);
    assert_eq!(&opened["user"]["id"], id);
    let access = text(&opened, "access");
    let status = app.get("/api/auth/second-factor/", &access).await;
    assert_eq!(status.expect(200)["enabled"], false);
    app.get("/api/auth/me/", &text(&doctor, "access"))
        .await
        .expect(401);
    // The lost number need not prove itself.
    let asked = request(&app, &access, NEW).await;
    assert_eq!(asked["old_code_needed"], false);
    let body = json!({"code": app.code(NEW_E164).await});
    app.call(Method::POST, CONFIRM, &access, body)
        .await
        .expect(200);
    // Both halves are in the owner's events, and the phone on file was told.
    let events = app.get("/api/auth/audit/", &access).await.expect(200);
    let actions: Vec<&str> = events["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["action"].as_str().unwrap())
        .collect();
    assert!(actions.contains(&"auth.recovery_made"), "{actions:?}");
    auth_otp::alert::send_due(&app.state, app.state.now())
        .await
        .unwrap();
    assert_eq!(
        app.last_sms("+989120000001").await["purpose"],
        "notification"
    );
}

#[tokio::test]
async fn who_may_make_a_recovery_code_for_whom() {
    let app = clinic().await;
    let admin = app.log_in("09120000000").await;
    let doctor = app.log_in("09120000001").await;
    let stranger = app.log_in("09120000999").await;
    let access = text(&admin, "access");
    // Nobody for themselves; no doctor for anybody.
    recovery_for(&app, &access, &admin["user"]["id"])
        .await
        .expect(404);
    recovery_for(&app, &text(&doctor, "access"), &admin["user"]["id"])
        .await
        .expect(403);
    // The sample's admin is a superuser; an admin of the clinic alone reaches its own people alone.
    use diesel_async::RunQueryDsl;
    let mut conn = app.db.db.get().await.unwrap();
    diesel::sql_query("UPDATE users SET is_superuser = false")
        .execute(&mut conn)
        .await
        .unwrap();
    let access = app.access("09120000000").await;
    recovery_for(&app, &access, &stranger["user"]["id"])
        .await
        .expect(404);
    let doctor_id = &doctor["user"]["id"];
    recovery_for(&app, &access, doctor_id).await.expect(201);
    // Who also belongs elsewhere is out of reach: their other clinic would be opened too.
    let elsewhere = app.access("09120000001").await;
    let body = json!({"name": "Another", "slug": "another"});
    app.call(Method::POST, "/api/auth/organizations/", &elsewhere, body)
        .await
        .expect(201);
    recovery_for(&app, &access, doctor_id).await.expect(404);
    app.advance(301);
    let refused = recovery_for(&app, &access, doctor_id).await.expect(403);
    assert_eq!(refused["code"], "auth.step_up_required");
}

#[tokio::test]
async fn a_recovery_code_ends_after_an_hour() {
    let app = clinic().await;
    let doctor = app.log_in("09120000001").await;
    let admin = app.access("09120000000").await;
    let made = recovery_for(&app, &admin, &doctor["user"]["id"]).await;
    let code = text(&made.expect(201), "code");
    app.advance(3601);
    app.post("/api/auth/recovery/", json!({"code": code}))
        .await
        .expect(400);
}
