use common_types::ClinicRole::{Accountant, Admin, Doctor, Secretary};
use reqwest::Method;
use serde_json::json;
use uuid::Uuid;

use crate::support::{Clinic, answer};

#[tokio::test]
async fn r21_the_secretary_makes_the_file_and_everyone_finds_it() {
    let clinic = Clinic::open().await;
    let patient = clinic.patient().await;
    assert_eq!(patient["full_name"], "Awa Diop");
    assert_eq!(patient["phone_number"], "+221771234567");
    assert_eq!(patient["patient_id"].as_str().unwrap().len(), 6);
    for role in [Admin, Doctor, Secretary, Accountant] {
        let found = clinic
            .get(role, &format!("/api/patients/{}/", patient["id"]))
            .await
            .ok(200);
        assert_eq!(found["id"], patient["id"]);
    }
    assert_eq!(clinic.audits("patient.read").await, 4);
    assert_eq!(clinic.audits("patient.created").await, 1);
}

#[tokio::test]
async fn the_list_has_cimefs_envelope_search_and_order() {
    let clinic = Clinic::open().await;
    for (first, last) in [("Awa", "Diop"), ("Binta", "Sarr"), ("Cheikh", "Diop")] {
        let body = json!({"first_name": first, "last_name": last, "gender": "F"});
        clinic.post(Secretary, "/api/patients/", body).await.ok(201);
    }
    let all = clinic
        .get(Secretary, "/api/patients/?page_size=2&ordering=first_name")
        .await
        .ok(200);
    let mut names: Vec<_> = all.as_object().unwrap().keys().cloned().collect();
    names.sort();
    assert_eq!(
        names,
        [
            "count",
            "current_page",
            "next",
            "page_size",
            "previous",
            "results",
            "total_pages"
        ]
    );
    assert_eq!(
        (&all["count"], &all["total_pages"], &all["page_size"]),
        (&json!(3), &json!(2), &json!(2))
    );
    assert_eq!(all["results"][0]["first_name"], "Awa");
    assert_eq!(
        all["next"],
        "http://tabib.test/api/patients/?page=2&page_size=2&ordering=first_name"
    );
    let last = clinic
        .get(
            Secretary,
            "/api/patients/?page=last&page_size=2&ordering=first_name",
        )
        .await
        .ok(200);
    assert_eq!(last["results"][0]["first_name"], "Cheikh");
    let found = clinic
        .get(Secretary, "/api/patients/?search=diop%20che")
        .await
        .ok(200);
    assert_eq!(found["count"], 1);
    let past = clinic.get(Secretary, "/api/patients/?page=9").await.ok(404);
    assert_eq!(past["detail"], "Page non valide.");
    let bad = clinic
        .get(Secretary, "/api/patients/?age_min=x")
        .await
        .ok(400);
    assert_eq!(bad["age_min"], json!(["Saisissez un nombre."]));
}

#[tokio::test]
async fn mistakes_are_named_in_french() {
    let clinic = Clinic::open().await;
    let body =
        json!({"first_name": "", "gender": "X", "age": -1, "phone_number": "12", "email": "x"});
    let errors = clinic.post(Secretary, "/api/patients/", body).await.ok(400);
    assert_eq!(errors["first_name"], json!(["Ce champ ne peut être vide."]));
    assert_eq!(errors["last_name"], json!(["Ce champ est obligatoire."]));
    assert_eq!(
        errors["gender"],
        json!(["«\u{a0}X\u{a0}» n'est pas un choix valide."])
    );
    assert_eq!(
        errors["phone_number"],
        json!([
            "Le numéro de téléphone doit être au format: '+999999999'. Jusqu'à 15 chiffres autorisés."
        ])
    );
    assert_eq!(
        errors["email"],
        json!(["Saisissez une adresse e-mail valide."])
    );
}

#[tokio::test]
async fn put_keeps_what_the_client_leaves_out_and_patch_changes_one_thing() {
    let clinic = Clinic::open().await;
    let patient = clinic.patient().await;
    let path = format!("/api/patients/{}/", patient["id"]);
    let body = json!({"first_name": "Awa", "last_name": "Ndiaye", "gender": "F", "phone_number": "", "email": "", "address": ""});
    let changed = clinic
        .send(Secretary, Method::PUT, &path, body)
        .await
        .ok(200);
    assert_eq!(
        (&changed["last_name"], &changed["age"]),
        (&json!("Ndiaye"), &json!(34))
    );
    assert!(changed["phone_number"].is_null());
    let patched = clinic
        .send(Doctor, Method::PATCH, &path, json!({"age": 35}))
        .await
        .ok(200);
    assert_eq!(
        (&patched["last_name"], &patched["age"]),
        (&json!("Ndiaye"), &json!(35))
    );
}

#[tokio::test]
async fn another_organisations_patient_is_a_missing_one() {
    let clinic = Clinic::open().await;
    let patient = clinic.patient().await;
    let foreign = clinic.token_of(Admin, Uuid::now_v7());
    let path = format!("/api/patients/{}/", patient["id"]);
    for verb in [Method::GET, Method::PUT, Method::PATCH, Method::DELETE] {
        let request = clinic
            .service
            .request(verb, &path)
            .bearer_auth(&foreign)
            .json(&json!({}));
        let body = answer(request.send().await.unwrap()).await.ok(404);
        assert_eq!(body["detail"], "No Patient matches the given query.");
    }
    let list = clinic.service.get("/api/patients/").bearer_auth(&foreign);
    assert_eq!(answer(list.send().await.unwrap()).await.ok(200)["count"], 0);
}

#[tokio::test]
async fn a_patient_with_money_stays_and_one_without_is_hidden() {
    let clinic = Clinic::open().await;
    let (paid, _) = clinic.paid().await;
    let path = format!("/api/patients/{}/", paid["id"]);
    clinic
        .send(Secretary, Method::DELETE, &path, json!({}))
        .await
        .ok(409);
    let other = clinic.patient().await;
    let path = format!("/api/patients/{}/", other["id"]);
    clinic
        .send(Secretary, Method::DELETE, &path, json!({}))
        .await
        .ok(204);
    clinic.get(Secretary, &path).await.ok(404);
}

#[tokio::test]
async fn exams_are_registered_from_the_catalogue() {
    let clinic = Clinic::open().await;
    let body = json!({"name": "Échographie", "description": "", "price": 15000, "duration_minutes": 20, "is_active": true});
    let exam = clinic
        .post(Admin, "/api/exams/", body.clone())
        .await
        .ok(201);
    assert_eq!(exam["price"], "15000");
    let taken = clinic.post(Admin, "/api/exams/", body).await.ok(400);
    assert_eq!(
        taken["name"],
        json!(["Un objet Type d'examen avec ce champ Nom de l'examen existe déjà."])
    );
    let patient = clinic.patient().await;
    let registered = clinic
        .post(
            Secretary,
            "/api/examinations/",
            json!({"patient": patient["id"], "exam_type": exam["id"]}),
        )
        .await
        .ok(201);
    assert_eq!(registered["exam_name"], "Échographie");
    assert_eq!(registered["status"], "registered");
    let path = format!("/api/examinations/{}/", registered["id"]);
    let done = clinic
        .send(Doctor, Method::PATCH, &path, json!({"status": "performed"}))
        .await
        .ok(200);
    assert_eq!(done["status"], "performed");
    let list = clinic
        .get(
            Doctor,
            &format!("/api/examinations/?patient={}", patient["id"]),
        )
        .await
        .ok(200);
    assert_eq!(list["count"], 1);
    let unknown = clinic
        .post(
            Secretary,
            "/api/examinations/",
            json!({"patient": 999_999, "exam_type": exam["id"]}),
        )
        .await;
    assert!(
        unknown.ok(400)["patient"][0]
            .as_str()
            .unwrap()
            .contains("n'existe pas")
    );
    // Removing the type leaves the exam with its name.
    clinic
        .send(
            Admin,
            Method::DELETE,
            &format!("/api/exams/{}/", exam["id"]),
            json!({}),
        )
        .await
        .ok(204);
    let list = clinic.get(Doctor, "/api/examinations/").await.ok(200);
    assert_eq!(list["results"][0]["exam_name"], "Échographie");
    assert!(list["results"][0]["exam_type"].is_null());
}
