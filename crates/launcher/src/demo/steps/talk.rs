//! Step 7: chat and summary.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::super::Story;
use super::super::session::claims;
use super::super::socket::Socket;
use super::clinic::Patient;

/// What the chat left behind.
pub(super) struct Talked {
    /// The patient's access token, as a user of the phone.
    pub(super) patient: String,
    /// The text of the latest summary.
    pub(super) summary: String,
}

/// The patient logs in with the phone, both open a socket, two messages go, a summary is made.
pub(super) async fn patient_and_doctor(story: &Story, patient: &Patient) -> Result<Talked> {
    let patient_token = story.sessions.access(&patient.phone).await?;
    let doctor_token = story.token("doctor").await?;
    let doctor: i64 = claims(&doctor_token)?["user_id"]
        .as_str()
        .context("the doctor's token has no user_id")?
        .parse()?;
    let room = open_room(story, &patient_token, doctor).await?;
    story.tell(format!("POST /api/chat/chatrooms/ → 201 room {room}"));
    let mut from_patient = Socket::open(&story.http, room, &patient_token, story.patience).await?;
    let mut from_doctor = Socket::open(&story.http, room, &doctor_token, story.patience).await?;
    let complaint = "سلام دکتر، از دیروز سردرد شدید و تب دارم و دو قرص مسکن خوردم.";
    let advice = "مایعات زیاد بنوشید، هر هشت ساعت استامینوفن بخورید و فردا آزمایش خون بدهید.";
    from_patient.send(&json!({"message": complaint})).await?;
    for (who, socket) in [("doctor", &mut from_doctor), ("patient", &mut from_patient)] {
        let frame = socket.receive(complaint).await?;
        check_frame(&frame).with_context(|| format!("the frame to the {who}"))?;
    }
    from_doctor.send(&json!({"message": advice})).await?;
    check_frame(&from_patient.receive(advice).await?)?;
    from_patient.close().await;
    from_doctor.close().await;
    let page = story
        .http
        .get(&format!("/api/chat/messages/?chat_room={room}"))
        .bearer(&doctor_token)
        .send()
        .await?
        .expect(200)?
        .keys(&["next", "previous"])?
        .is("results.0.text", advice)?
        .is("results.1.text", complaint)?;
    ensure!(page.at("count").is_none(), "a cursor page has no count");
    story.tell("WS /ws/chat/…/ → two messages arrived at both ends and are kept");
    let summary = summarize(story, &doctor_token, room).await?;
    story.tell(format!(
        "summary: “{}”",
        summary.chars().take(90).collect::<String>()
    ));
    Ok(Talked {
        patient: patient_token,
        summary,
    })
}

/// The room of the two. Chat hears of new people by event, so the doctor may be unknown there for
/// a moment after the first start.
async fn open_room(story: &Story, patient: &str, doctor: i64) -> Result<i64> {
    story
        .eventually("a room with the doctor", async || {
            let answer = story
                .http
                .post("/api/chat/chatrooms/")
                .bearer(patient)
                .json(&json!({"user_id": doctor}))
                .send()
                .await?;
            if answer.status == 404 {
                return Ok(None);
            }
            let answer = answer.expect(201)?.is("status", 1)?.keys(&[
                "users",
                "unread_count",
                "permissions",
                "banneds",
                "created_at",
            ])?;
            Ok(Some(answer.int("id")?))
        })
        .await
}

/// The frame of chelseru (wire.md 4.5).
fn check_frame(frame: &Value) -> Result<()> {
    let keys = [
        "id",
        "message_type",
        "file_url",
        "lat",
        "lng",
        "sender",
        "created_at",
    ];
    let missing: Vec<&&str> = keys
        .iter()
        .filter(|key| frame.get(**key).is_none())
        .collect();
    ensure!(
        missing.is_empty(),
        "a chat frame lacks {missing:?}: {frame}"
    );
    ensure!(
        frame["type"] == "chat_message",
        "a chat frame has another type: {frame}"
    );
    ensure!(
        frame["sender"]["username"].is_string() && frame["sender"].get("password").is_none(),
        "the sender of a chat frame is wrong: {frame}"
    );
    Ok(())
}

/// Asks for a summary and waits for it; without an AI key the built-in extractive one answers.
async fn summarize(story: &Story, doctor: &str, room: i64) -> Result<String> {
    let asked = story
        .http
        .post(&format!("/api/chat/chatrooms/{room}/summarize/"))
        .bearer(doctor)
        .json(&json!({}))
        .send()
        .await?
        .expect(202)?;
    asked.keys(&["id", "status"])?;
    story
        .eventually("the summary", async || {
            let answer = story
                .http
                .get(&format!("/api/chat/chatrooms/{room}/summaries/"))
                .bearer(doctor)
                .send()
                .await?
                .expect(200)?;
            let list = answer.list(if answer.json.is_array() {
                ""
            } else {
                "results"
            })?;
            let Some(latest) = list.first() else {
                return Ok(None);
            };
            let text = latest["summary_text"]
                .as_str()
                .context("a summary has no summary_text")?;
            ensure!(!text.trim().is_empty(), "the summary is empty");
            Ok(Some(text.to_owned()))
        })
        .await
}
