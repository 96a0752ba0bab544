//! Sample data of the demo organisation: a project and a prompt in its workspace.

use std::time::Duration;

use anyhow::Context as _;
use common_types::demo;
use uuid::Uuid;

use crate::{
    AppState,
    actor::Actor,
    directory::{
        Workspace,
        store::{self as directory, WorkspaceCopy},
    },
    project::{self, CreateProjectRequest},
    prompt::{self, CreatePromptRequest},
};

const PROJECT_SLUG: &str = "health-articles";
const PROMPT_TITLE: &str = "مقالهٔ آموزش سلامت";
/// How long the event that brings the workspace is awaited before a copy is made without it.
const EVENT_WITHIN: Duration = Duration::from_secs(5);

/// Loads `demo`, any number of times with the same result.
pub(crate) async fn load(state: &AppState, name: &str) -> anyhow::Result<()> {
    anyhow::ensure!(name == "demo", "content has no seed named {name:?}");
    let workspace = workspace(state).await?;
    let writer = Actor::of_job(demo::WRITER_ID, demo::ORGANIZATION_ID);
    let mut conn = state.stack.db.get().await?;
    let has_project = project::store::find_by_slug(&mut conn, workspace.id, PROJECT_SLUG)
        .await?
        .is_some();
    let has_prompt = prompt::store::find_by_title(&mut conn, demo::ORGANIZATION_ID, PROMPT_TITLE)
        .await?
        .is_some();
    drop(conn);
    if !has_project {
        let request = CreateProjectRequest {
            name: "مقاله‌های سلامت".to_owned(),
            slug: PROJECT_SLUG.to_owned(),
            workspace: workspace.number,
            description: Some("مقاله‌های آموزشی برای بیماران کلینیک".to_owned()),
            is_active: Some(true),
        };
        project::create_project(state, &writer, &request)
            .await
            .context("demo project")?;
    }
    if !has_prompt {
        let request = CreatePromptRequest {
            title: PROMPT_TITLE.to_owned(),
            category: "blog".to_owned(),
            prompt_template: "مقاله‌ای ساده و دقیق دربارهٔ {topic} برای {audience} بنویس.".to_owned(),
            variables: None,
            workspace: Some(workspace.number),
            is_public: Some(true),
        };
        prompt::create_prompt(state, &writer, &request)
            .await
            .context("demo prompt")?;
    }
    Ok(())
}

/// The workspace of the demo organisation: the copy that the event brought, or one that a later event replaces.
async fn workspace(state: &AppState) -> anyhow::Result<Workspace> {
    let deadline = tokio::time::Instant::now() + EVENT_WITHIN;
    loop {
        let mut conn = state.stack.db.get().await?;
        if let Some(found) =
            directory::find_first_workspace(&mut conn, demo::ORGANIZATION_ID).await?
        {
            return Ok(found);
        }
        if tokio::time::Instant::now() > deadline {
            break;
        }
        drop(conn);
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    let id: Uuid = demo::WORKSPACE_ID;
    let copy = WorkspaceCopy {
        id,
        number: demo::WORKSPACE_NUMBER,
        organization_id: demo::ORGANIZATION_ID,
        name: "کارگاه محتوا",
        slug: "content",
        is_active: true,
        is_deleted: false,
        version: 0,
        updated_at: state.now(),
    };
    let mut conn = state.stack.db.get().await?;
    directory::upsert_workspace(&mut conn, copy).await?;
    directory::find_first_workspace(&mut conn, demo::ORGANIZATION_ID)
        .await?
        .context("the demo workspace was not written")
}
