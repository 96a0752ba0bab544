//! The API document of content.

use utoipa::{
    Modify, OpenApi,
    openapi::security::{Http, HttpAuthScheme, SecurityScheme},
};

use crate::{content::http as content, job, project, prompt, trail, usage, version};

#[derive(OpenApi)]
#[openapi(
    info(title = "Tabib content", description = "The clinic's content workshop: projects, prompts, contents, versions, usage."),
    modifiers(&Access),
    paths(
        project::http::list_projects, project::http::create_project, project::http::show_project,
        project::http::replace_project, project::http::update_project, project::http::delete_project,
        prompt::http::list_prompts, prompt::http::create_prompt, prompt::http::show_prompt,
        prompt::http::replace_prompt, prompt::http::update_prompt, prompt::http::delete_prompt,
        content::list_contents, content::create_content, content::show_content, content::replace_content,
        content::update_content, content::delete_content, content::generate_content, content::approve_content,
        content::reject_content,
        version::http::list_versions, version::http::show_version, version::http::list_content_versions,
        version::http::show_content_version, version::http::list_versions_of_content,
        job::http::list_jobs, job::http::show_job, trail::http::list_audit_logs,
        usage::http::list_usage_logs, usage::http::list_usage_limits, usage::http::create_usage_limit,
        usage::http::show_usage_limit, usage::http::replace_usage_limit, usage::http::update_usage_limit,
        usage::http::delete_usage_limit, usage::http::show_usage_summary,
    )
)]
struct Document;

struct Access;

impl Modify for Access {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = Http::builder()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("JWT")
            .build();
        document
            .components
            .get_or_insert_default()
            .add_security_scheme("access", SecurityScheme::Http(scheme));
    }
}

pub(crate) fn document() -> utoipa::openapi::OpenApi {
    Document::openapi()
}
