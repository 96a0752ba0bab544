//! Steps 4, 5 and 6: permanent keys, the report, the patient's portal.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::super::http::{Answer, File};
use super::super::{Story, inbox};
use super::clinic::{Invoice, Patient};

/// The permanent keys as the patient got them.
#[derive(Debug, Clone)]
pub struct Keys {
    pub key: String,
    pub password: String,
}

/// A published report.
pub(super) struct Report {
    id: String,
    bytes: Vec<u8>,
}

/// SMS and e-mail bring the keys; the invoice PDF is the one with the box of keys.
pub(super) async fn keys_arrive(
    story: &Story,
    secretary: &str,
    patient: &Patient,
    invoice: &Invoice,
) -> Result<Keys> {
    let sms = wait_keys(story, &patient.phone, "sms").await?;
    let email = wait_keys(story, &patient.email, "email").await?;
    ensure!(
        sms.key == email.key && sms.password == email.password,
        "SMS and e-mail carry different keys"
    );
    let seeds = |text: &str, lower: bool| {
        text.bytes().all(|it| {
            it.is_ascii_digit()
                || (if lower {
                    it.is_ascii_lowercase()
                } else {
                    it.is_ascii_uppercase()
                })
        })
    };
    ensure!(
        sms.key.len() == 12 && seeds(&sms.key, false),
        "the key has not the form of R02 (12 of A-Z0-9)"
    );
    ensure!(
        sms.password.len() == 8 && seeds(&sms.password, true),
        "the password has not the form of R02 (8 of a-z0-9)"
    );
    story.tell(format!(
        "inbox: SMS to {} and e-mail to {} carry the keys",
        patient.phone, patient.email
    ));
    let pdf = story
        .http
        .get(&format!("/api/invoices/{}/download_pdf/", invoice.id))
        .bearer(secretary)
        .send()
        .await?
        .expect(200)?
        .header_is("content-type", "application/pdf")?;
    ensure!(pdf.body.starts_with(b"%PDF-"), "the invoice is no PDF");
    let disposition = pdf.header("content-disposition");
    ensure!(
        disposition.contains(&format!("facture_{}", invoice.number))
            && disposition.contains("_avec_cles"),
        "the invoice PDF is not the one with the box of keys: {disposition}"
    );
    if let Some(text) = text_of(&pdf.body).await {
        ensure!(
            text.contains(&sms.key) && text.contains(&sms.password),
            "the box of the invoice PDF does not show the keys"
        );
    }
    story.tell(format!(
        "GET /api/invoices/{}/download_pdf/ → 200 {} bytes with the box of keys",
        invoice.id,
        pdf.body.len()
    ));
    Ok(sms)
}

/// Waits for the credentials message (R11) and reads key and password from it.
pub async fn wait_keys(story: &Story, to: &str, channel: &str) -> Result<Keys> {
    let message = inbox::wait_new(
        &story.http,
        to,
        &[],
        story.patience,
        &format!("the {channel} with the keys"),
        |message| message.channel == channel && message.text.contains("Clé d'accès"),
    )
    .await?;
    let after = |label: &str| -> Result<String> {
        let line = message
            .text
            .lines()
            .find_map(|line| line.trim().strip_prefix(label))
            .with_context(|| format!("the {channel} has no line `{label}`"))?;
        Ok(line.trim().to_owned())
    };
    for literal in [
        "Bonjour ",
        "Vos résultats d'examen sont disponibles.",
        "Ces identifiants sont permanents et réutilisables.",
    ] {
        ensure!(
            message.text.contains(literal),
            "the {channel} lacks `{literal}` (R11): {}",
            message.text
        );
    }
    Ok(Keys {
        key: after("Clé d'accès : ")?,
        password: after("Mot de passe : ")?,
    })
}

/// The text of a PDF, when this machine has a program that reads it.
async fn text_of(pdf: &[u8]) -> Option<String> {
    let program = crate::install::on_path("pdftotext")?;
    let path = std::env::temp_dir().join(format!("tabib-{}.pdf", uuid::Uuid::now_v7()));
    std::fs::write(&path, pdf).ok()?;
    let output = tokio::process::Command::new(program)
        .arg("-raw")
        .arg(&path)
        .arg("-")
        .output()
        .await;
    let _ = std::fs::remove_file(&path);
    Some(String::from_utf8_lossy(&output.ok()?.stdout).into_owned())
}

/// Staff upload a report; it is matched with the paid invoice, activated, and the patient is told.
pub(super) async fn report_is_published(
    story: &Story,
    secretary: &str,
    patient: &Patient,
    invoice: &Invoice,
) -> Result<Report> {
    let before = inbox::mark(&story.http, &patient.phone).await?;
    let bytes = sample_report(&patient.full_name);
    let answer = upload_report(story, secretary, patient.id, &bytes)
        .await?
        .expect(201)?;
    let id = answer.text("id")?;
    let answer = answer.is("invoice_number", invoice.number.as_str())?;
    ensure!(
        answer.at("is_active") == Some(&Value::Bool(true)),
        "the report was not activated although the invoice {} is paid: {}",
        invoice.number,
        answer.short()
    );
    story.tell(format!("POST /api/reports/admin/ → 201 {id}, active"));
    let told = inbox::wait_new(
        &story.http,
        &patient.phone,
        &before,
        story.patience,
        "the news about the report",
        |message| message.channel == "sms",
    )
    .await?;
    story.tell(format!("inbox: “{}”", first_line(&told.text)));
    Ok(Report { id, bytes })
}

/// What today's client does: asks for the access (which exists), then uploads to it.
pub async fn upload_report(
    story: &Story,
    staff: &str,
    patient: i64,
    bytes: &[u8],
) -> Result<Answer> {
    let access = story
        .http
        .post("/api/patients/access/generate/")
        .bearer(staff)
        .json(&json!({"patient_id": patient}))
        .send()
        .await?
        .expect(201)?
        .keys(&["access_key", "is_active", "access_count", "created_at"])?
        .is("is_valid", true)?;
    let access = access.int("id")?.to_string();
    story
        .http
        .post("/api/reports/admin/")
        .bearer(staff)
        .multipart(
            &[("patient_access", &access)],
            &File {
                field: "report_file",
                name: "compte_rendu.pdf",
                kind: "application/pdf",
                bytes,
            },
        )
        .send()
        .await
}

/// The patient logs in, lists and downloads; counters and audit move.
pub(super) async fn patient_reads(
    story: &Story,
    secretary: &str,
    keys: &Keys,
    report: &Report,
) -> Result<()> {
    let session = portal_login(story, keys).await?.expect(200)?;
    let token = session.text("session_token")?;
    let count = session.int("access_info.access_count")?;
    story.tell(format!(
        "POST /api/patients/portal/login/ → 200 {}, access {count}",
        session.text("patient.full_name")?
    ));
    let listed = story
        .http
        .get("/api/reports/patient/")
        .bearer(&token)
        .send()
        .await?
        .expect(200)?;
    let reports = listed.list(if listed.json.is_array() {
        ""
    } else {
        "results"
    })?;
    let shown = reports
        .iter()
        .find(|item| item["id"] == report.id.as_str())
        .with_context(|| format!("the patient does not see the report: {}", listed.short()))?;
    ensure!(
        shown["is_accessible"] == true && shown["download_count"] == 0,
        "the report is not accessible or was downloaded already: {shown}"
    );
    let download = story
        .http
        .get(&format!("/api/reports/download/{}/", report.id))
        .bearer(&token)
        .send()
        .await?
        .expect(200)?
        .header_is("content-type", "application/pdf")?;
    ensure!(
        download.body == report.bytes,
        "the downloaded report differs from the uploaded one ({} and {} bytes)",
        download.body.len(),
        report.bytes.len()
    );
    story.tell(format!(
        "GET /api/reports/download/…/ → 200 {} bytes, as uploaded",
        download.body.len()
    ));
    let again = portal_login(story, keys).await?.expect(200)?;
    ensure!(
        again.int("access_info.access_count")? == count + 1,
        "a second login did not count: {}",
        again.short()
    );
    let counted = story
        .http
        .get("/api/reports/admin/")
        .bearer(secretary)
        .send()
        .await?
        .expect(200)?;
    let counted = counted
        .list("results")?
        .into_iter()
        .find(|item| item["id"] == report.id.as_str())
        .context("staff do not see the report")?;
    ensure!(
        counted["download_count"] == 1,
        "the download was not counted: {counted}"
    );
    story.tell("GET /api/reports/admin/ → 200 download_count 1");
    download_is_audited(story, report).await
}

/// The clinic's admin sees who downloaded the report, once.
async fn download_is_audited(story: &Story, report: &Report) -> Result<()> {
    let admin = story.token("admin").await?;
    let trail = story
        .http
        .get(&format!(
            "/api/admin/portal/audit/?action=report.downloaded&subject={}",
            report.id
        ))
        .bearer(&admin)
        .send()
        .await?
        .expect(200)?;
    let rows = trail.list("results")?;
    ensure!(
        rows.len() == 1 && rows[0]["actor_kind"] == "patient" && rows[0]["outcome"] == "success",
        "the audit does not hold one download by the patient: {}",
        trail.short()
    );
    story.tell("GET /api/admin/portal/audit/ → 200 one row: report.downloaded by the patient");
    Ok(())
}

/// Logs the patient in as the portal page does.
pub async fn portal_login(story: &Story, keys: &Keys) -> Result<Answer> {
    let answer = story
        .http
        .post("/api/patients/portal/login/")
        .json(&json!({"access_key": keys.key, "password": keys.password}))
        .send()
        .await?;
    if answer.status != 200 {
        return Ok(answer);
    }
    answer
        .is("success", true)?
        .is("access_info.is_permanent", true)?
        .keys(&[
            "patient.id",
            "patient.full_name",
            "patient.phone_number",
            "access_info.access_key",
            "access_info.access_count",
            "access_info.last_access",
            "access_info.last_accessed",
            "files",
            "session_token",
        ])
}

/// A small valid PDF that names the patient.
pub fn sample_report(patient: &str) -> Vec<u8> {
    let name: String = patient
        .chars()
        .filter(|char| char.is_ascii_alphanumeric() || *char == ' ')
        .collect();
    let text = format!("BT /F1 18 Tf 72 720 Td (Compte rendu: {name}) Tj ET");
    let objects = [
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_owned(),
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R \
         /Resources << /Font << /F1 5 0 R >> >> >>"
            .to_owned(),
        format!("<< /Length {} >>\nstream\n{text}\nendstream", text.len()),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>".to_owned(),
    ];
    let mut pdf = String::from("%PDF-1.4\n");
    let mut offsets = Vec::new();
    for (index, object) in objects.iter().enumerate() {
        offsets.push(pdf.len());
        pdf.push_str(&format!("{} 0 obj\n{object}\nendobj\n", index + 1));
    }
    let start = pdf.len();
    pdf.push_str(&format!(
        "xref\n0 {}\n0000000000 65535 f \n",
        objects.len() + 1
    ));
    for offset in offsets {
        pdf.push_str(&format!("{offset:010} 00000 n \n"));
    }
    pdf.push_str(&format!(
        "trailer\n<< /Size {} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n",
        objects.len() + 1
    ));
    pdf.into_bytes()
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_report_is_a_pdf_whose_table_points_at_its_objects() {
        let pdf = String::from_utf8(sample_report("Mina Karimi")).unwrap();
        assert!(pdf.starts_with("%PDF-1.4") && pdf.ends_with("%%EOF\n"));
        let start: usize = pdf
            .split("startxref\n")
            .nth(1)
            .and_then(|rest| rest.lines().next())
            .unwrap()
            .parse()
            .unwrap();
        assert!(pdf[start..].starts_with("xref"));
        let first: usize = pdf[start..].lines().nth(3).unwrap()[..10].parse().unwrap();
        assert!(pdf[first..].starts_with("1 0 obj"));
    }
}
