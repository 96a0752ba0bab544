use common_types::ClinicRole::{Accountant, Admin, Doctor, Secretary};
use reqwest::Method;
use serde_json::json;

use crate::support::{Clinic, PDF, answer};

async fn second_patient(clinic: &Clinic) -> crate::support::Keys {
    let body = json!({"first_name": "Binta", "last_name": "Sarr", "gender": "F"});
    let patient = clinic.post(Secretary, "/api/patients/", body).await.ok(201);
    clinic.keys(&patient).await
}

#[tokio::test]
async fn r06_the_owner_downloads_and_the_counter_moves() {
    let clinic = Clinic::open().await;
    let (keys, report) = clinic.with_report().await;
    let session = clinic.login(&keys).await;
    for path in ["/api/reports/download", "/api/reports/patient-download"] {
        let response = clinic
            .service
            .get(&format!("{path}/{report}/"))
            .bearer_auth(&session)
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), 200);
        let headers = response.headers().clone();
        assert_eq!(headers["content-type"], "application/pdf");
        assert_eq!(
            headers["content-disposition"],
            "attachment; filename=\"r.pdf\""
        );
        assert_eq!(headers["x-content-type-options"], "nosniff");
        assert!(
            headers["content-security-policy"]
                .to_str()
                .unwrap()
                .contains("sandbox")
        );
        assert!(
            headers["cache-control"]
                .to_str()
                .unwrap()
                .contains("no-store")
        );
        assert_eq!(response.bytes().await.unwrap(), PDF);
    }
    let list = clinic
        .as_patient(&session, "/api/reports/patient/")
        .await
        .ok(200);
    assert_eq!(list["results"][0]["download_count"], 2);
    assert_eq!(clinic.audits("report.downloaded").await, 2);
}

#[tokio::test]
async fn r06_the_cookie_of_the_login_opens_the_clients_download_page() {
    let clinic = Clinic::open().await;
    let (keys, report) = clinic.with_report().await;
    let session = clinic.login(&keys).await;
    let path = format!("/api/reports/patient-download/{report}/");
    // The client sends a staff token from its storage along.
    let request = clinic
        .service
        .get(&path)
        .bearer_auth(clinic.token(Secretary))
        .header("Cookie", format!("a=b; tabib_portal={session}"));
    assert_eq!(request.send().await.unwrap().status(), 200);
    assert_eq!(
        clinic.service.get(&path).send().await.unwrap().status(),
        401
    );
    assert_eq!(
        clinic
            .service
            .get(&path)
            .bearer_auth(clinic.token(Admin))
            .send()
            .await
            .unwrap()
            .status(),
        401
    );
}

#[tokio::test]
async fn r06_a_foreign_report_is_a_missing_one() {
    let clinic = Clinic::open().await;
    let (_, report) = clinic.with_report().await;
    let stranger = clinic.login(&second_patient(&clinic).await).await;
    let strip = |mut body: serde_json::Value| {
        body.as_object_mut().unwrap().remove("request_id");
        body
    };
    let foreign = strip(
        clinic
            .as_patient(&stranger, &format!("/api/reports/download/{report}/"))
            .await
            .ok(404),
    );
    let missing = strip(
        clinic
            .as_patient(
                &stranger,
                &format!("/api/reports/download/{}/", uuid::Uuid::now_v7()),
            )
            .await
            .ok(404),
    );
    assert_eq!(foreign["error"], "Ce rapport n'est plus accessible");
    assert_eq!(foreign, missing);
    clinic
        .as_patient(&stranger, "/api/reports/patient-download/1/")
        .await
        .ok(404);
    assert_eq!(
        clinic
            .as_patient(&stranger, "/api/reports/patient/")
            .await
            .ok(200)["count"],
        0
    );
    assert_eq!(clinic.count("reports WHERE download_count > 0").await, 0);
    assert_eq!(
        clinic
            .count("audit_entries WHERE action = 'report.downloaded' AND outcome = 'denied'")
            .await,
        2
    );
}

#[tokio::test]
async fn r07_an_inactive_report_is_not_accessible() {
    let clinic = Clinic::open().await;
    let (keys, report) = clinic.with_report().await;
    let session = clinic.login(&keys).await;
    let toggle = format!("/api/reports/admin/{report}/toggle_active/");
    let off = clinic.post(Secretary, &toggle, json!({})).await.ok(200);
    assert_eq!(
        (&off["status"], &off["is_active"]),
        (&json!("success"), &json!(false))
    );
    let gone = clinic
        .as_patient(&session, &format!("/api/reports/download/{report}/"))
        .await
        .ok(404);
    assert_eq!(gone["error"], "Ce rapport n'est plus accessible");
    assert_eq!(
        clinic
            .as_patient(&session, "/api/reports/patient/")
            .await
            .ok(200)["count"],
        0
    );
    let on = clinic.post(Secretary, &toggle, json!({})).await.ok(200);
    assert_eq!(
        (&on["is_active"], &on["message"]),
        (
            &json!(true),
            &json!("Clés validées avec facture FAC-000001")
        )
    );
    assert_eq!(
        clinic
            .as_patient(&session, &format!("/api/reports/download/{report}/"))
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn r07_a_report_of_switched_off_keys_is_not_activated() {
    let clinic = Clinic::open().await;
    let (patient, _) = clinic.paid().await;
    let keys = clinic.keys(&patient).await;
    clinic
        .send(
            Admin,
            Method::PUT,
            &format!("/api/patients/access/{}/", keys.id),
            json!({"is_active": false}),
        )
        .await
        .ok(200);
    let report = clinic
        .upload(Secretary, &keys.id.to_string(), "r.pdf", PDF)
        .await
        .ok(201);
    assert_eq!(report["is_active"], false);
    let path = format!(
        "/api/reports/admin/{}/toggle_active/",
        report["id"].as_str().unwrap()
    );
    let refused = clinic
        .post(Secretary, &path, json!({"override_reason": "x"}))
        .await
        .ok(422);
    assert_eq!(refused["error"], "L'accès patient associé n'est pas valide");
}

#[tokio::test]
async fn r08_keys_are_matched_with_a_paid_invoice() {
    let clinic = Clinic::open().await;
    let patient = clinic.patient().await;
    let invoice = clinic.invoice(&patient, 5_000).await;
    let keys = clinic.keys(&patient).await;
    let report = clinic
        .upload(Secretary, &keys.id.to_string(), "r.pdf", PDF)
        .await
        .ok(201);
    assert_eq!(report["is_active"], false, "nothing is paid yet");
    let id = report["id"].as_str().unwrap();
    let validate = format!("/api/reports/admin/{id}/validate/");
    let checked = clinic.get(Doctor, &validate).await.ok(200);
    assert_eq!(
        (&checked["valid"], &checked["message"]),
        (
            &json!(false),
            &json!("Aucune facture trouvée avec ces clés")
        )
    );
    let toggle = format!("/api/reports/admin/{id}/toggle_active/");
    let refused = clinic.post(Secretary, &toggle, json!({})).await.ok(422);
    assert_eq!(refused["error"], "Aucune facture trouvée avec ces clés");
    clinic.pay(&invoice, 5_000).await.ok(201);
    let checked = clinic.get(Doctor, &validate).await.ok(200);
    assert_eq!(
        (&checked["valid"], &checked["message"]),
        (
            &json!(true),
            &json!("Clés validées avec facture FAC-000001")
        )
    );
    clinic.post(Secretary, &toggle, json!({})).await.ok(200);
}

#[tokio::test]
async fn r08_staff_may_override_with_a_reason_that_is_kept() {
    let clinic = Clinic::open().await;
    let keys = clinic.keys(&clinic.patient().await).await;
    let report = clinic
        .upload(Secretary, &keys.id.to_string(), "r.pdf", PDF)
        .await
        .ok(201);
    let path = format!(
        "/api/reports/admin/{}/toggle_active/",
        report["id"].as_str().unwrap()
    );
    clinic
        .post(Doctor, &path, json!({"override_reason": "urgence"}))
        .await
        .ok(200);
    let details = clinic.lines("SELECT details->>'reason' AS line FROM audit_entries WHERE action = 'report.activated'").await;
    assert_eq!(details, ["urgence"]);
}

#[tokio::test]
async fn r14_a_missing_file_is_said_and_not_counted() {
    let clinic = Clinic::open().await;
    let (keys, report) = clinic.with_report().await;
    let session = clinic.login(&keys).await;
    std::fs::remove_dir_all(clinic.folder().join("reports")).unwrap();
    let gone = clinic
        .as_patient(&session, &format!("/api/reports/download/{report}/"))
        .await
        .ok(404);
    assert_eq!(gone["error"], "Fichier temporairement indisponible");
    assert_eq!(clinic.count("reports WHERE download_count > 0").await, 0);
}

#[tokio::test]
async fn r18_list_items_have_the_contracts_members() {
    let clinic = Clinic::open().await;
    let (keys, report) = clinic.with_report().await;
    let session = clinic.login(&keys).await;
    let list = clinic
        .as_patient(&session, "/api/reports/patient/")
        .await
        .ok(200);
    let item = &list["results"][0];
    assert_eq!(item["id"], report);
    assert_eq!(
        (
            &item["report_file"],
            &item["file_type"],
            &item["is_accessible"]
        ),
        (&json!("r.pdf"), &json!("PDF"), &json!(true))
    );
    assert_eq!(item["file_size"], format!("{} B", PDF.len()));
    assert_eq!(item["file_size_bytes"], PDF.len());
    assert!(item["created_at"].is_string() && item["download_count"].is_i64());
}

#[tokio::test]
async fn uploads_are_judged_by_content() {
    let clinic = Clinic::open_with(|setup| setup.set("reports.max_bytes", 200_000)).await;
    let keys = clinic.keys(&clinic.patient().await).await;
    let id = keys.id.to_string();
    let cases: [(&str, &[u8], &str); 4] = [
        (
            "r.pdf",
            b"MZ\x90\x00 not a pdf",
            "Type de fichier non autorisé. Formats acceptés : PDF, JPG, PNG.",
        ),
        (
            "r.docx",
            b"PK\x03\x04word/document.xml",
            "Type de fichier non autorisé. Formats acceptés : PDF, JPG, PNG.",
        ),
        (
            "r.doc",
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
            "Type de fichier non autorisé. Formats acceptés : PDF, JPG, PNG.",
        ),
        ("r.pdf", b"", "Le fichier soumis est vide."),
    ];
    for (name, content, text) in cases {
        let errors = clinic.upload(Secretary, &id, name, content).await.ok(400);
        assert_eq!(errors["report_file"], json!([text]), "{name}");
    }
    let mut large = PDF.to_vec();
    large.resize(200_001, b'x');
    clinic.upload(Secretary, &id, "r.pdf", &large).await.ok(400);
    let unknown = clinic
        .upload(Secretary, "999999", "r.pdf", PDF)
        .await
        .ok(400);
    assert_eq!(
        unknown["patient_access"],
        json!(["Aucun accès patient trouvé avec cet ID"])
    );
    let missing = clinic.upload(Secretary, "", "r.pdf", PDF).await.ok(400);
    assert_eq!(
        missing["patient_access"],
        json!(["Le champ patient_access est obligatoire."])
    );
    let none = clinic
        .staff(Secretary, Method::POST, "/api/reports/admin/")
        .header("content-type", "multipart/form-data; boundary=b")
        .body(format!("--b\r\nContent-Disposition: form-data; name=\"patient_access\"\r\n\r\n{id}\r\n--b--\r\n"));
    let none = answer(none.send().await.unwrap()).await.ok(400);
    assert_eq!(
        none["report_file"],
        json!(["Aucun fichier n'a été soumis."])
    );
    assert_eq!(clinic.count("reports").await, 0);
    let left = std::fs::read_dir(clinic.folder().join("reports")).map_or(0, |folders| {
        folders
            .flatten()
            .map(|folder| std::fs::read_dir(folder.path()).unwrap().count())
            .sum()
    });
    assert_eq!(left, 0, "refused files leave nothing");
    let png = clinic
        .upload(Secretary, &id, "scan.exe", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR")
        .await
        .ok(201);
    assert_eq!(
        (&png["filename"], &png["file_type"]),
        (&json!("scan.png"), &json!("PNG"))
    );
}

#[tokio::test]
async fn files_rest_sealed() {
    let clinic = Clinic::open().await;
    clinic.with_report().await;
    let folder = std::fs::read_dir(clinic.folder().join("reports"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap();
    let file = std::fs::read_dir(folder.path())
        .unwrap()
        .next()
        .unwrap()
        .unwrap();
    let bytes = std::fs::read(file.path()).unwrap();
    assert!(!bytes.windows(8).any(|window| window == b"%PDF-1.4"));
}

#[tokio::test]
async fn ranges_give_parts_and_count_once() {
    let clinic = Clinic::open().await;
    let (keys, report) = clinic.with_report().await;
    let session = clinic.login(&keys).await;
    let part = async |range: &str| {
        let request = clinic
            .service
            .get(&format!("/api/reports/download/{report}/"))
            .bearer_auth(&session)
            .header("Range", range);
        request.send().await.unwrap()
    };
    let first = part("bytes=0-7").await;
    assert_eq!(first.status(), 206);
    assert_eq!(
        first.headers()["content-range"],
        format!("bytes 0-7/{}", PDF.len())
    );
    assert_eq!(first.bytes().await.unwrap(), &PDF[..8]);
    assert_eq!(
        part("bytes=-10").await.bytes().await.unwrap(),
        b"0123456789".as_slice()
    );
    let outside = part("bytes=999-").await;
    assert_eq!(outside.status(), 416);
    assert_eq!(
        outside.headers()["content-range"],
        format!("bytes */{}", PDF.len())
    );
    assert_eq!(clinic.count("reports WHERE download_count = 1").await, 1);
}

#[tokio::test]
async fn staff_list_filter_open_and_remove() {
    let clinic = Clinic::open().await;
    let (keys, report) = clinic.with_report().await;
    let list = clinic
        .get(Doctor, "/api/reports/admin/?is_active=true")
        .await
        .ok(200);
    assert_eq!(list["count"], 1);
    let item = &list["results"][0];
    assert_eq!(
        (&item["patient_access"], &item["access_key"]),
        (&json!(keys.id), &json!(keys.key))
    );
    assert_eq!(
        (&item["invoice_number"], &item["filename"]),
        (&json!("FAC-000001"), &json!("r.pdf"))
    );
    let url = item["report_file"].as_str().unwrap();
    assert!(
        url.starts_with("http://tabib.test/media/reports/") && url.ends_with("/r.pdf"),
        "{url}"
    );
    let path = url.trim_start_matches("http://tabib.test");
    let opened = clinic.service.get(path).send().await.unwrap();
    assert_eq!(opened.status(), 200);
    assert!(
        opened.headers()["content-disposition"]
            .to_str()
            .unwrap()
            .starts_with("inline")
    );
    assert_eq!(opened.bytes().await.unwrap(), PDF);
    assert_eq!(
        clinic.count("reports WHERE download_count = 0").await,
        1,
        "staff reading it do not count"
    );
    clinic
        .service
        .clock
        .advance(chrono::TimeDelta::seconds(601));
    assert_eq!(clinic.service.get(path).send().await.unwrap().status(), 404);
    assert_eq!(
        clinic
            .get(Doctor, "/api/reports/admin/?is_active=false")
            .await
            .ok(200)["count"],
        0
    );
    clinic.get(Accountant, "/api/reports/admin/").await.ok(403);
    let stats = clinic.get(Admin, "/api/reports/admin/stats/").await.ok(200);
    assert_eq!(
        (&stats["total_reports"], &stats["active_reports"]),
        (&json!(1), &json!(1))
    );
    let keys_known = clinic
        .post(
            Secretary,
            "/api/reports/admin/validate-keys/",
            json!({"access_key": keys.key}),
        )
        .await
        .ok(200);
    assert_eq!(
        (&keys_known["is_valid"], &keys_known["reports_count"]),
        (&json!(true), &json!(1))
    );
    clinic
        .send(
            Secretary,
            Method::DELETE,
            &format!("/api/reports/admin/{report}/"),
            json!({}),
        )
        .await
        .ok(204);
    assert_eq!(
        clinic.get(Doctor, "/api/reports/admin/").await.ok(200)["count"],
        0
    );
}

#[tokio::test]
async fn a_clinic_may_keep_reports_closed_until_released() {
    let clinic = Clinic::open_with(|setup| setup.set("reports.release_by_staff", "true")).await;
    let (patient, _) = clinic.paid().await;
    let keys = clinic.keys(&patient).await;
    let report = clinic
        .upload(Secretary, &keys.id.to_string(), "r.pdf", PDF)
        .await
        .ok(201);
    assert_eq!(report["is_active"], false);
    let path = format!(
        "/api/reports/admin/{}/toggle_active/",
        report["id"].as_str().unwrap()
    );
    clinic.post(Doctor, &path, json!({})).await.ok(200);
}
