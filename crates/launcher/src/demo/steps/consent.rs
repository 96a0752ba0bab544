//! Step 8: the doctor sees the latest summary, with the patient's consent only.

use anyhow::{Result, ensure};
use serde_json::json;

use super::super::{Story, inbox};
use super::clinic::Patient;
use super::reports::{Keys, portal_login};
use super::talk::Talked;

/// Request, code, token, two reads, and the patient sees who read.
pub(super) async fn doctor_reads_summary(
    story: &Story,
    patient: &Patient,
    keys: &Keys,
    talked: &Talked,
) -> Result<()> {
    ensure!(!talked.patient.is_empty(), "the patient is not logged in");
    let doctor = story.token("doctor").await?;
    let token = ask_for_access(story, &doctor, &patient.phone).await?;
    let first = read(story, &doctor, &token).await?;
    let first = first
        .is("from_cache", false)?
        .is("has_summary", true)?
        .is("patient_phone", patient.phone.as_str())?
        .is("latest_summary.summary_text", talked.summary.as_str())?
        .keys(&[
            "patient_name",
            "summary_date",
            "latest_summary.id",
            "latest_summary.content",
            "latest_summary.created_at",
            "latest_summary.updated_at",
        ])?;
    let second = read(story, &doctor, &token).await?.is("from_cache", true)?;
    ensure!(
        first.at("latest_summary") == second.at("latest_summary"),
        "the cached summary differs from the fresh one"
    );
    story.tell("GET /crazyminer/patient/data/ → 200 twice, the second from_cache: true");
    see_who_read(story, keys).await
}

/// The doctor asks, the patient's phone gets the code, the doctor enters it.
async fn ask_for_access(story: &Story, doctor: &str, phone: &str) -> Result<String> {
    let before = inbox::mark(&story.http, phone).await?;
    let answer = story
        .http
        .post("/crazyminer/patient/request/")
        .bearer(doctor)
        .json(&json!({"patient_phone": phone}))
        .send()
        .await?
        .expect(201)?
        .says("message", "کد تایید به شماره بیمار ارسال شد")?
        .is("patient_phone", phone)?;
    let request = answer.text("request_id")?;
    story.tell(format!("POST /crazyminer/patient/request/ → 201 {request}"));
    let message = inbox::wait_new(
        &story.http,
        phone,
        &before,
        story.patience,
        "the patient's code",
        |message| message.channel == "sms" && message.code().is_ok(),
    )
    .await?;
    let code = message.code()?;
    ensure!(
        code.len() == 6,
        "the patient's code has {} digits instead of 6 (P06)",
        code.len()
    );
    let verified = story
        .http
        .post("/crazyminer/patient/verify/")
        .bearer(doctor)
        .json(&json!({"request_id": request, "otp_code": code}))
        .send()
        .await?
        .expect(200)?
        .is("success", true)?
        .says("message", "دسترسی با موفقیت تایید شد")?
        .keys(&["expires_at"])?;
    let token = verified.text("access_token")?;
    ensure!(
        token.len() == 64 && token.bytes().all(|it| it.is_ascii_alphanumeric()),
        "the access token is not 64 letters and digits (P06)"
    );
    story.tell("POST /crazyminer/patient/verify/ → 200, a token of 64 characters");
    Ok(token)
}

async fn read(story: &Story, doctor: &str, token: &str) -> Result<super::super::http::Answer> {
    story
        .http
        .get("/crazyminer/patient/data/")
        .bearer(doctor)
        .header("X-Patient-Access-Token", token)
        .send()
        .await?
        .expect(200)
}

/// The patient sees in the portal that the doctor read the summary.
async fn see_who_read(story: &Story, keys: &Keys) -> Result<()> {
    let session = portal_login(story, keys)
        .await?
        .expect(200)?
        .text("session_token")?;
    let seen = story
        .eventually("the doctor's reading in the patient's portal", async || {
            let answer = story
                .http
                .get("/api/patients/portal/accesses/")
                .bearer(&session)
                .send()
                .await?
                .expect(200)?;
            let list = answer.list(if answer.json.is_array() {
                ""
            } else {
                "results"
            })?;
            let viewed = list.into_iter().find(|item| item["kind"] == "viewed");
            Ok(viewed)
        })
        .await?;
    story.tell(format!(
        "GET /api/patients/portal/accesses/ → 200, read by {}",
        seen["doctor_name"].as_str().unwrap_or("a doctor")
    ));
    Ok(())
}
