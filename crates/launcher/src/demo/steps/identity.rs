//! Step 1.

use anyhow::{Result, ensure};

use super::super::Story;
use crate::screen::phone_of;

/// The secretary asks for a code, reads it and logs in; `me` says who she is.
pub(super) async fn secretary_logs_in(story: &Story) -> Result<String> {
    let phone = phone_of("secretary");
    let answer = story
        .sessions
        .log_in(phone)
        .await?
        .says("message", "Successfully logged in")?
        .is("user.phone_number", "+989120000002")?;
    let token = answer.text("access")?;
    story.tell(format!(
        "POST /api/auth/otp/verify/ → 200 “{}”, user {}",
        answer.text("message")?,
        answer.int("user.id")?
    ));
    let me = story
        .http
        .get("/api/auth/me/")
        .bearer(&token)
        .send()
        .await?
        .expect(200)?
        .keys(&[
            "id",
            "full_name",
            "email",
            "is_active",
            "date_joined",
            "last_login",
        ])?
        .is("phone_number", "+989120000002")?
        .is("role", "secretary")?
        .is("is_active", true)?;
    ensure!(
        me.int("id")? == answer.int("user.id")?,
        "/api/auth/me/ names another user than the login"
    );
    story.tell(format!(
        "GET /api/auth/me/ → 200 {} ({})",
        me.text("full_name")?,
        me.text("role")?
    ));
    Ok(token)
}
