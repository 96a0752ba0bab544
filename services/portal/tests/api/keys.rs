use common_types::ClinicRole::{Admin, Doctor, Secretary};
use reqwest::Method;
use serde_json::json;
use service_testing::eventually;

use crate::support::{Clinic, DEADLINE};

#[tokio::test]
async fn r01_one_key_set_for_life() {
    let clinic = Clinic::open().await;
    let patient = clinic.patient().await;
    let first = clinic.keys(&patient).await;
    let again = clinic.keys(&patient).await;
    assert_eq!(
        (first.id, &first.key, &first.password),
        (again.id, &again.key, &again.password)
    );
    let at_once = futures_util::future::join_all((0..6).map(|_| clinic.keys(&patient))).await;
    assert!(at_once.iter().all(|keys| keys.key == first.key));
    assert_eq!(clinic.count("patient_accesses").await, 1);
}

#[tokio::test]
async fn r02_keys_and_passwords_rest_sealed_and_hashed() {
    let clinic = Clinic::open().await;
    let keys = clinic.keys(&clinic.patient().await).await;
    assert_eq!((keys.key.len(), keys.password.len()), (12, 8));
    let row = clinic
        .lines("SELECT key_sealed || ' ' || password_sealed || ' ' || password_hash || ' ' || encode(key_lookup, 'escape') AS line FROM patient_accesses")
        .await
        .remove(0);
    assert!(!row.contains(&keys.key) && !row.contains(&keys.password));
    assert!(row.contains("$argon2id$"));
}

#[tokio::test]
async fn r05_staff_make_list_and_switch_keys() {
    let clinic = Clinic::open().await;
    let patient = clinic.patient().await;
    let body = json!({"patient_id": patient["id"], "validity_days": 30});
    let made = clinic
        .post(Secretary, "/api/patients/access/generate/", body.clone())
        .await
        .ok(201);
    assert_eq!(
        made["password"].as_str().unwrap().len(),
        8,
        "shown at first creation"
    );
    assert_eq!(
        (&made["is_permanent"], &made["is_valid"]),
        (&json!(true), &json!(true))
    );
    assert_eq!(made["patient"]["id"], patient["id"]);
    let again = clinic
        .post(Secretary, "/api/patients/access/generate/", body)
        .await
        .ok(201);
    assert!(again["password"].is_null(), "not shown a second time");
    let admin = clinic
        .get(Admin, &format!("/api/patients/access/{}/", made["id"]))
        .await
        .ok(200);
    assert_eq!(admin["password"], made["password"], "keys.reprint");
    let list = clinic.get(Doctor, "/api/patients/access/").await.ok(200);
    assert_eq!(list["results"][0]["access_key"], made["access_key"]);
    assert!(list["results"][0]["password"].is_null());
    let path = format!("/api/patients/access/{}/", made["id"]);
    let off = clinic
        .send(Secretary, Method::PUT, &path, json!({"is_active": false}))
        .await
        .ok(200);
    assert_eq!(
        (&off["is_active"], &off["is_valid"]),
        (&json!(false), &json!(false))
    );
    let missing = clinic
        .post(Secretary, "/api/patients/access/generate/", json!({}))
        .await
        .ok(400);
    assert_eq!(missing["error"], "patient_id est requis");
    let unknown = clinic
        .post(
            Secretary,
            "/api/patients/access/generate/",
            json!({"patient_id": 999_999}),
        )
        .await
        .ok(404);
    assert_eq!(unknown["error"], "Patient non trouvé");
    assert!(clinic.audits("access.password_shown").await >= 2);
}

#[tokio::test]
async fn r11_the_message_carries_keys_in_the_patients_language() {
    let mut clinic = Clinic::open().await;
    let patient = clinic.patient().await;
    let keys = clinic.keys(&patient).await;
    clinic.service.start_worker();
    eventually(DEADLINE, async || clinic.messages().await.len() == 2).await;
    let messages = clinic.messages().await;
    let sms = messages
        .iter()
        .find(|message| message["channel"] == "sms")
        .unwrap();
    let email = messages
        .iter()
        .find(|message| message["channel"] == "email")
        .unwrap();
    assert_eq!(sms["to"], "+221771234567");
    assert_eq!(email["to"], "awa@example.sn");
    assert_eq!(sms["purpose"], "credentials");
    let expected = format!(
        "Bonjour Awa Diop,\nVos résultats d'examen sont disponibles.\nAccédez à vos résultats sur : http://tabib.test/patient\nClé d'accès : {}\nMot de passe : {}\n⚠️ IMPORTANT : Ces identifiants sont permanents et réutilisables.\nConservez-les précieusement pour vos futurs accès.",
        keys.key, keys.password
    );
    assert_eq!(sms["text"], expected);
    assert_eq!(email["text"], expected);
    let ids = clinic
        .lines("SELECT id::text AS line FROM credential_deliveries")
        .await;
    assert!(ids.contains(&sms["idempotency_key"].as_str().unwrap().to_owned()));
    eventually(DEADLINE, async || {
        clinic
            .count("credential_deliveries WHERE state = 'sent'")
            .await
            == 2
    })
    .await;
    let seen = clinic.keys(&patient).await;
    assert_eq!(seen.key, keys.key);
    assert_eq!(
        clinic.count("credential_deliveries").await,
        2,
        "handed out once"
    );
    let list = clinic.get(Admin, "/api/patients/access/").await.ok(200);
    assert_eq!(
        (
            &list["results"][0]["sent_via_sms"],
            &list["results"][0]["sent_via_email"]
        ),
        (&json!(true), &json!(true))
    );
}

#[tokio::test]
async fn r12_without_phone_and_email_nothing_is_sent() {
    let clinic = Clinic::open().await;
    let body = json!({"first_name": "Awa", "last_name": "Diop", "gender": "F"});
    let patient = clinic.post(Secretary, "/api/patients/", body).await.ok(201);
    assert!(patient["phone_number"].is_null());
    clinic.keys(&patient).await;
    assert_eq!(clinic.count("credential_deliveries").await, 0);
}

#[tokio::test]
async fn r20_keys_are_found_by_name_key_and_state() {
    let clinic = Clinic::open().await;
    let keys = clinic.keys(&clinic.patient().await).await;
    let count = async |query: &str| {
        clinic
            .get(Admin, &format!("/api/patients/access/{query}"))
            .await
            .ok(200)["count"]
            .clone()
    };
    assert_eq!(count("?search=diop").await, 1);
    assert_eq!(
        count(&format!("?search={}", keys.key.to_lowercase())).await,
        1
    );
    assert_eq!(count("?search=nobody").await, 0);
    assert_eq!(count("?is_active=false").await, 0);
    let path = format!("/api/patients/access/{}/", keys.id);
    clinic
        .send(Admin, Method::PUT, &path, json!({"is_active": false}))
        .await
        .ok(200);
    assert_eq!(count("?is_active=false").await, 1);
    // Generating again switches them on, with the same key.
    let again = clinic
        .keys(&clinic.get(Admin, "/api/patients/").await.ok(200)["results"][0])
        .await;
    assert_eq!(again.key, keys.key);
    assert_eq!(count("?is_active=true").await, 1);
}
