//! Step 10: the content workshop.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::super::Story;

/// Prompt, content, generation, approval, version, usage.
pub(super) async fn written_and_approved(story: &Story) -> Result<()> {
    let writer = story.token("writer").await?;
    let editor = story.token("editor").await?;
    let workspace = first_id(story, &writer, "/api/auth/workspaces/").await?;
    let before = requests(story, &writer, workspace).await?;
    let project = project(story, &editor, workspace).await?;
    let prompt = story
        .http
        .post("/api/prompts/")
        .bearer(&editor)
        .json(&json!({
            "title": format!("Migraine {}", crate::secrets::alphanumeric(4)),
            "category": "blog",
            "prompt_template": "Write about {topic} for patients.",
            "variables": ["topic"],
            "workspace": workspace,
            "is_public": false,
        }))
        .send()
        .await?
        .expect(201)?
        .int("id")?;
    let content = story
        .http
        .post("/api/contents/")
        .bearer(&writer)
        .json(&json!({
            "title": "Living with migraine",
            "project": project,
            "prompt": prompt,
            "prompt_variables": {"topic": "migraine"},
        }))
        .send()
        .await?
        .expect(201)?
        .is("status", "draft")?;
    let content = content.int("id")?;
    story.tell(format!(
        "POST /api/contents/ → 201 content {content}, draft"
    ));
    generate(story, &writer, content).await?;
    approve(story, &editor, content).await?;
    let versions = story
        .http
        .get(&format!("/api/contents/{content}/versions/"))
        .bearer(&writer)
        .send()
        .await?
        .expect(200)?;
    let versions = versions.list("")?;
    let latest = versions.first().context("the content has no version")?;
    for key in [
        "id",
        "version_number",
        "title",
        "body_markdown",
        "word_count",
        "created_at",
    ] {
        ensure!(latest.get(key).is_some(), "a version lacks {key}: {latest}");
    }
    story.tell(format!(
        "GET /api/contents/{content}/versions/ → 200, {} in the list",
        versions.len()
    ));
    let after = story
        .eventually("the counted usage", async || {
            let now = requests(story, &writer, workspace).await?;
            Ok((now > before).then_some(now))
        })
        .await?;
    story.tell(format!(
        "GET /api/ai/usage/summary/ → 200 total_requests {before} → {after}"
    ));
    Ok(())
}

/// Starts the generation and waits until the worker has brought the content to review.
async fn generate(story: &Story, writer: &str, content: i64) -> Result<()> {
    let job = story
        .http
        .post(&format!("/api/contents/{content}/generate/"))
        .bearer(writer)
        .json(&json!({"kind": "draft", "topic": "migraine", "min_words": 100}))
        .send()
        .await?
        .expect(202)?
        .is("status", "pending")?
        .is("message", "Content generation started")?
        .is("content.status", "in_progress")?
        .int("job_id")?;
    story.tell(format!(
        "POST /api/contents/{content}/generate/ → 202 job {job}"
    ));
    let done = story
        .eventually("the generated content", async || {
            let answer = story
                .http
                .get(&format!("/api/contents/{content}/"))
                .bearer(writer)
                .send()
                .await?;
            if answer.status >= 502 {
                return Ok(None);
            }
            let answer = answer.expect(200)?;
            match answer.text("status")?.as_str() {
                "review" => Ok(Some(answer)),
                "in_progress" => Ok(None),
                other => anyhow::bail!("the generated content is `{other}`: {}", answer.short()),
            }
        })
        .await?;
    ensure!(
        done.int("word_count")? > 0 && !done.text("body")?.is_empty(),
        "the generated content has no words: {}",
        done.short()
    );
    story.tell(format!(
        "GET /api/contents/{content}/ → 200 review, {} words",
        done.int("word_count")?
    ));
    Ok(())
}

async fn approve(story: &Story, editor: &str, content: i64) -> Result<()> {
    story
        .http
        .post(&format!("/api/contents/{content}/approve/"))
        .bearer(editor)
        .json(&json!({}))
        .send()
        .await?
        .expect(200)?
        .is("status", "approved")?
        .keys(&["approved_by", "approved_by_name", "approved_at"])?;
    story.tell(format!(
        "POST /api/contents/{content}/approve/ → 200 approved"
    ));
    let again = story
        .http
        .post(&format!("/api/contents/{content}/approve/"))
        .bearer(editor)
        .json(&json!({}))
        .send()
        .await?
        .expect(400)?;
    again.says("error", "Content must be in review status to approve")?;
    Ok(())
}

/// The first project of the workspace; an editor makes one when there is none.
async fn project(story: &Story, editor: &str, workspace: i64) -> Result<i64> {
    let answer = story
        .http
        .get(&format!("/api/projects/?workspace={workspace}"))
        .bearer(editor)
        .send()
        .await?
        .expect(200)?
        .keys(&["count", "next", "previous", "results"])?;
    if let Some(project) = answer.list("results")?.first() {
        return project["id"].as_i64().context("a project has no number");
    }
    let slug = format!("health-{}", crate::secrets::alphanumeric(6).to_lowercase());
    story
        .http
        .post("/api/projects/")
        .bearer(editor)
        .json(&json!({
            "name": "Health letters",
            "slug": slug,
            "description": "",
            "workspace": workspace,
        }))
        .send()
        .await?
        .expect(201)?
        .int("id")
}

async fn first_id(story: &Story, token: &str, path: &str) -> Result<i64> {
    let answer = story
        .http
        .get(path)
        .bearer(token)
        .send()
        .await?
        .expect(200)?;
    let list: Vec<Value> = answer.list("results")?;
    list.first()
        .and_then(|item| item["id"].as_i64())
        .with_context(|| format!("{path} is empty: {}", answer.short()))
}

/// How many AI requests the workspace has made this month.
async fn requests(story: &Story, token: &str, workspace: i64) -> Result<i64> {
    story
        .http
        .get(&format!(
            "/api/ai/usage/summary/?workspace_id={workspace}&period=monthly"
        ))
        .bearer(token)
        .send()
        .await?
        .expect(200)?
        .keys(&[
            "period",
            "start_date",
            "end_date",
            "summary.total_tokens",
            "summary.total_cost",
            "summary.model_breakdown",
        ])?
        .int("summary.total_requests")
}
