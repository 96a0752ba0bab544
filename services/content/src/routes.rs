//! The HTTP map of content (C01, C04, C06; wire.md 6.2).

use actix_web::web::{self, ServiceConfig};

use crate::{
    AppState, content::http as content, job::http as job, project::http as project,
    prompt::http as prompt, trail::http as trail, usage::http as usage, version::http as version,
};

pub(crate) fn configure(config: &mut ServiceConfig, state: AppState) {
    config
        .app_data(web::Data::new(state))
        .service(
            web::resource("/api/projects")
                .get(project::list_projects)
                .post(project::create_project),
        )
        .service(
            web::resource("/api/projects/{project}")
                .get(project::show_project)
                .put(project::replace_project)
                .patch(project::update_project)
                .delete(project::delete_project),
        )
        .service(
            web::resource("/api/prompts")
                .get(prompt::list_prompts)
                .post(prompt::create_prompt),
        )
        .service(
            web::resource("/api/prompts/{prompt}")
                .get(prompt::show_prompt)
                .put(prompt::replace_prompt)
                .patch(prompt::update_prompt)
                .delete(prompt::delete_prompt),
        )
        .service(
            web::resource("/api/contents")
                .get(content::list_contents)
                .post(content::create_content),
        )
        .service(
            web::resource("/api/contents/{content}")
                .get(content::show_content)
                .put(content::replace_content)
                .patch(content::update_content)
                .delete(content::delete_content),
        )
        .service(web::resource("/api/contents/{content}/generate").post(content::generate_content))
        .service(web::resource("/api/contents/{content}/approve").post(content::approve_content))
        .service(web::resource("/api/contents/{content}/reject").post(content::reject_content))
        .service(
            web::resource("/api/contents/{content}/versions")
                .get(version::list_versions_of_content),
        )
        .service(web::resource("/api/versions").get(version::list_versions))
        .service(web::resource("/api/versions/{version}").get(version::show_version))
        .service(web::resource("/api/content-versions").get(version::list_content_versions))
        .service(
            web::resource("/api/content-versions/{version}").get(version::show_content_version),
        )
        .service(web::resource("/api/ai/jobs").get(job::list_jobs))
        .service(web::resource("/api/ai/jobs/{job}").get(job::show_job))
        .service(web::resource("/api/ai/audit-logs").get(trail::list_audit_logs))
        .service(web::resource("/api/ai/usage-logs").get(usage::list_usage_logs))
        .service(
            web::resource("/api/ai/usage-limits")
                .get(usage::list_usage_limits)
                .post(usage::create_usage_limit),
        )
        .service(
            web::resource("/api/ai/usage-limits/{limit}")
                .get(usage::show_usage_limit)
                .put(usage::replace_usage_limit)
                .patch(usage::update_usage_limit)
                .delete(usage::delete_usage_limit),
        )
        .service(web::resource("/api/ai/usage/summary").get(usage::show_usage_summary));
}
