use chrono::TimeDelta;
use common_types::ClinicRole::{Admin, Secretary};
use reqwest::Method;
use serde_json::json;

use crate::support::{Clinic, WRONG_KEYS, answer};

#[tokio::test]
async fn r03_login_has_the_contracts_shape_and_counts() {
    let clinic = Clinic::open().await;
    let (keys, report) = clinic.with_report().await;
    let response = clinic.try_login(&keys.key, &keys.password).await;
    let cookie = response
        .headers
        .get_all("set-cookie")
        .iter()
        .map(|value| value.to_str().unwrap().to_owned())
        .find(|cookie| cookie.starts_with("tabib_portal="))
        .unwrap();
    assert!(
        cookie.contains("HttpOnly")
            && cookie.contains("SameSite=Strict")
            && cookie.contains("Path=/"),
        "{cookie}"
    );
    let body = response.ok(200);
    assert_eq!(body["success"], true);
    assert_eq!(body["patient"]["full_name"], "Awa Diop");
    assert_eq!(body["patient"]["phone_number"], "+221771234567");
    let info = &body["access_info"];
    assert_eq!(
        (
            &info["access_key"],
            &info["is_permanent"],
            &info["access_count"]
        ),
        (&json!(keys.key), &json!(true), &json!(1))
    );
    assert!(info["last_accessed"].is_null() && info["last_access"].is_null());
    let file = &body["files"][0];
    assert_eq!(
        (&file["id"], &file["filename"], &file["is_active"]),
        (&json!(report), &json!("r.pdf"), &json!(true))
    );
    assert_eq!(
        file["download_url"],
        format!("/api/reports/patient-download/{report}/")
    );
    let second = clinic.try_login(&keys.key, &keys.password).await.ok(200);
    assert_eq!(second["access_info"]["access_count"], 2);
    assert!(second["access_info"]["last_accessed"].is_string());
    assert_eq!(clinic.audits("portal.login").await, 2);
}

#[tokio::test]
async fn r03_wrong_keys_and_unknown_keys_answer_alike() {
    let clinic = Clinic::open().await;
    let keys = clinic.keys(&clinic.patient().await).await;
    let wrong = clinic.try_login(&keys.key, "zzzzzzzz").await;
    let unknown = clinic.try_login("ZZZZZZZZZZZZ", "zzzzzzzz").await;
    assert_eq!(
        (wrong.status, unknown.status),
        (
            reqwest::StatusCode::UNAUTHORIZED,
            reqwest::StatusCode::UNAUTHORIZED
        )
    );
    assert_eq!(wrong.body["error"], WRONG_KEYS);
    let strip = |mut body: serde_json::Value| {
        body.as_object_mut().unwrap().remove("request_id");
        body
    };
    assert_eq!(strip(wrong.body), strip(unknown.body));
    let empty = answer(
        clinic
            .service
            .post("/api/patients/portal/login/")
            .json(&json!({}))
            .send()
            .await
            .unwrap(),
    )
    .await
    .ok(400);
    assert_eq!(empty["access_key"], json!(["Ce champ est obligatoire."]));
    assert_eq!(empty["password"], json!(["Ce champ est obligatoire."]));
}

#[tokio::test]
async fn r03_disabled_keys_say_so_only_to_their_holder() {
    let clinic = Clinic::open().await;
    let keys = clinic.keys(&clinic.patient().await).await;
    let session = clinic.login(&keys).await;
    let path = format!("/api/patients/access/{}/", keys.id);
    clinic
        .send(Admin, Method::PUT, &path, json!({"is_active": false}))
        .await
        .ok(200);
    let right = clinic.try_login(&keys.key, &keys.password).await.ok(401);
    assert_eq!(right["error"], "Accès désactivé");
    assert_eq!(
        right["message"],
        "Votre accès a été désactivé. Contactez le cabinet."
    );
    assert_eq!(
        clinic.try_login(&keys.key, "zzzzzzzz").await.ok(401)["error"],
        WRONG_KEYS
    );
    // The session that was open is closed.
    clinic
        .as_patient(&session, "/api/patients/portal/profile/")
        .await
        .ok(401);
}

#[tokio::test]
async fn r04_profile_and_logout() {
    let clinic = Clinic::open().await;
    let keys = clinic.keys(&clinic.patient().await).await;
    let session = clinic.login(&keys).await;
    let profile = clinic
        .as_patient(&session, "/api/patients/portal/profile/")
        .await
        .ok(200);
    assert_eq!(profile["patient"]["full_name"], "Awa Diop");
    assert_eq!(profile["access_info"]["access_count"], 1);
    assert_eq!(
        profile["message"],
        "Vos identifiants sont permanents et réutilisables"
    );
    let out = clinic
        .service
        .post("/api/patients/portal/logout/")
        .bearer_auth(&session)
        .send()
        .await
        .unwrap();
    assert_eq!(out.status(), 200);
    clinic
        .as_patient(&session, "/api/patients/portal/profile/")
        .await
        .ok(401);
    let token = clinic.service.issuer.service("gateway");
    let feed = answer(
        clinic
            .service
            .get("/internal/revocations?since=0")
            .bearer_auth(token)
            .send()
            .await
            .unwrap(),
    )
    .await
    .ok(200);
    assert_eq!(feed["revocations"][0]["kind"], "session");
    assert_eq!(
        clinic
            .count("outbox_events WHERE name = 'auth.session_revoked'")
            .await,
        1
    );
}

#[tokio::test]
async fn r13_the_contracts_messages() {
    let clinic = Clinic::open().await;
    let keys = clinic.keys(&clinic.patient().await).await;
    let body = clinic.try_login(&keys.key, &keys.password).await.ok(200);
    assert_eq!(body["message"], "Connexion réussie");
    let request = clinic
        .service
        .post("/api/patients/portal/login/")
        .header("Accept-Language", "fa")
        .json(&json!({"access_key": keys.key, "password": "x"}));
    let persian = answer(request.send().await.unwrap()).await.ok(401);
    assert_eq!(
        persian["error"], WRONG_KEYS,
        "the contract's member is the literal"
    );
    assert_eq!(persian["detail"], "کلید دسترسی یا گذرواژه نادرست است.");
}

#[tokio::test]
async fn r15_five_failures_lock_key_and_source_for_five_minutes() {
    let clinic = Clinic::open().await;
    let keys = clinic.keys(&clinic.patient().await).await;
    for _ in 0..5 {
        clinic.try_login(&keys.key, "zzzzzzzz").await.ok(401);
    }
    let locked = clinic.try_login(&keys.key, &keys.password).await;
    assert_eq!(locked.status, 429);
    let wait: i64 = locked.headers["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((1..=300).contains(&wait), "{wait}");
    clinic
        .service
        .clock
        .advance(chrono::TimeDelta::seconds(301));
    clinic.try_login(&keys.key, &keys.password).await.ok(200);
    // Success forgets the failures of this source.
    for _ in 0..4 {
        clinic.try_login(&keys.key, "zzzzzzzz").await.ok(401);
    }
    clinic.try_login(&keys.key, &keys.password).await.ok(200);
}

#[tokio::test]
async fn r15_parallel_guesses_do_not_slip_past_the_lock() {
    let clinic = Clinic::open().await;
    let keys = clinic.keys(&clinic.patient().await).await;
    let answers =
        futures_util::future::join_all((0..20).map(|_| clinic.try_login(&keys.key, "zzzzzzzz")))
            .await;
    let judged = answers.iter().filter(|answer| answer.status == 401).count();
    assert_eq!(judged, 5);
    assert!(
        answers
            .iter()
            .all(|answer| answer.status == 401 || answer.status == 429)
    );
}

#[tokio::test]
async fn r15_one_address_guesses_at_many_keys_only_so_often() {
    let clinic = Clinic::open_with(|setup| setup.set("portal.max_login_attempts_per_ip", 6)).await;
    let keys = clinic.keys(&clinic.patient().await).await;
    for guess in 2..8 {
        clinic
            .try_login(&format!("ZZZZZZZZZZZ{guess}"), "zzzzzzzz")
            .await
            .ok(401);
    }
    assert_eq!(
        clinic.try_login(&keys.key, &keys.password).await.status,
        429
    );
    clinic.service.clock.advance(TimeDelta::seconds(301));
    clinic.try_login(&keys.key, &keys.password).await.ok(200);
}

#[tokio::test]
async fn q_a8_strangers_do_not_lock_out_a_known_device() {
    let clinic =
        Clinic::open_with(|setup| setup.set("portal.max_unknown_attempts_per_day", 7)).await;
    let keys = clinic.keys(&clinic.patient().await).await;
    let first = clinic.try_login(&keys.key, &keys.password).await;
    let device = first
        .headers
        .get_all("set-cookie")
        .iter()
        .filter_map(|value| value.to_str().ok()?.split(';').next().map(str::to_owned))
        .find(|cookie| cookie.starts_with("tabib_device="))
        .unwrap();
    for _ in 0..5 {
        clinic.try_login(&keys.key, "zzzzzzzz").await.ok(401);
    }
    clinic
        .service
        .clock
        .advance(chrono::TimeDelta::seconds(301));
    clinic.try_login(&keys.key, "zzzzzzzz").await.ok(401);
    clinic.try_login(&keys.key, "zzzzzzzz").await.ok(401);
    assert_eq!(
        clinic.try_login(&keys.key, &keys.password).await.status,
        429,
        "a day's guesses of strangers are spent"
    );
    let body = json!({"access_key": keys.key, "password": keys.password});
    let holder = clinic
        .service
        .post("/api/patients/portal/login/")
        .header("Cookie", &device)
        .json(&body);
    answer(holder.send().await.unwrap()).await.ok(200);
    let forged = device.replace("tabib_device=", "tabib_device=x");
    let forged = clinic
        .service
        .post("/api/patients/portal/login/")
        .header("Cookie", forged)
        .json(&body);
    assert_eq!(forged.send().await.unwrap().status(), 429);
}

#[tokio::test]
async fn r15_a_session_ends_after_thirty_idle_minutes_and_twelve_hours() {
    let clinic = Clinic::open().await;
    let keys = clinic.keys(&clinic.patient().await).await;
    let session = clinic.login(&keys).await;
    let minutes = TimeDelta::minutes;
    for _ in 0..3 {
        clinic.service.clock.advance(minutes(29));
        clinic
            .as_patient(&session, "/api/patients/portal/profile/")
            .await
            .ok(200);
    }
    clinic.service.clock.advance(minutes(31));
    clinic
        .as_patient(&session, "/api/patients/portal/profile/")
        .await
        .ok(401);
    let session = clinic.login(&keys).await;
    for _ in 0..25 {
        clinic.service.clock.advance(minutes(28));
        clinic
            .as_patient(&session, "/api/patients/portal/profile/")
            .await
            .ok(200);
    }
    clinic.service.clock.advance(minutes(25));
    clinic
        .as_patient(&session, "/api/patients/portal/profile/")
        .await
        .ok(401);
}

#[tokio::test]
async fn r17_spelling_and_stale_tokens_do_not_matter() {
    let clinic = Clinic::open().await;
    let keys = clinic.keys(&clinic.patient().await).await;
    let body = json!({"access_key": format!(" {} ", keys.key.to_lowercase()), "password": keys.password.to_uppercase()});
    let request = clinic
        .service
        .post("/api/patients/portal/login/")
        .header("Authorization", "Bearer stale")
        .json(&body);
    answer(request.send().await.unwrap()).await.ok(200);
}

#[tokio::test]
async fn a_cookie_session_needs_our_origin_on_unsafe_methods() {
    let clinic = Clinic::open().await;
    let keys = clinic.keys(&clinic.patient().await).await;
    let session = clinic.login(&keys).await;
    let logout = |origin: Option<&str>| {
        let mut request = clinic
            .service
            .post("/api/patients/portal/logout/")
            .header("Cookie", format!("tabib_portal={session}"));
        if let Some(origin) = origin {
            request = request.header("Origin", origin.to_owned());
        }
        async move { request.send().await.unwrap().status().as_u16() }
    };
    assert_eq!(logout(None).await, 403);
    assert_eq!(logout(Some("https://evil.example")).await, 403);
    assert_eq!(logout(Some("http://tabib.test")).await, 200);
}

#[tokio::test]
async fn tokens_of_another_kind_open_nothing() {
    let clinic = Clinic::open().await;
    let keys = clinic.keys(&clinic.patient().await).await;
    let session = clinic.login(&keys).await;
    let staff = clinic.token(Secretary);
    clinic
        .as_patient(&staff, "/api/patients/portal/profile/")
        .await
        .ok(401);
    clinic.as_patient(&session, "/api/patients/").await.ok(401);
    let jwks = answer(
        clinic
            .service
            .get("/.well-known/jwks.json")
            .send()
            .await
            .unwrap(),
    )
    .await
    .ok(200);
    assert_eq!(jwks["keys"].as_array().unwrap().len(), 1);
    assert!(jwks["keys"][0].get("d").is_none());
    // A token of another portal's key.
    let forged = clinic
        .service
        .issuer
        .portal(|claims| claims.org = clinic.organization);
    clinic
        .as_patient(&forged, "/api/patients/portal/profile/")
        .await
        .ok(401);
}
