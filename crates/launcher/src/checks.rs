//! The commands behind `make check`: schema, OpenAPI documents, rules.

use anyhow::{Context, Result};

use crate::backing::{External, postgres};
use crate::layout::Layout;
use crate::services::{SERVICES, Service};
use crate::ui::{self, Step};
use crate::{rules, schema, testing};

/// Prints, compares or writes the diesel schema of one or all services.
///
/// Uses the server of `DATABASE_URL`, else a private one that is removed afterwards. Answers false
/// when `check` found a difference.
pub async fn schema(layout: &Layout, name: Option<&str>, check: bool, write: bool) -> Result<bool> {
    let services: Vec<Service> = match name {
        Some(name) => vec![Service::named(name).with_context(|| {
            let known: Vec<&str> = SERVICES.iter().map(|it| it.name).collect();
            format!("there is no service `{name}`; known: {}", known.join(", "))
        })?],
        None => SERVICES.to_vec(),
    };
    if let Some(url) = External::from_environment().database {
        return schemas(layout, &url, &services, check, write).await;
    }
    let folder = testing::folder(layout, &format!("schema-{}", std::process::id()))?;
    let server = testing::postgres_alone(&folder, &Step::quiet("PostgreSQL")).await;
    let result = match &server {
        Ok(server) => schemas(layout, &server.url(), &services, check, write).await,
        Err(error) => Err(anyhow::anyhow!("{error:#}")),
    };
    postgres::stop_in(&folder.join("pg")).await;
    let _ = std::fs::remove_dir_all(&folder);
    result
}

async fn schemas(
    layout: &Layout,
    url: &str,
    services: &[Service],
    check: bool,
    write: bool,
) -> Result<bool> {
    let mut same = true;
    for service in services {
        let text = schema::generate(layout, url, *service).await?;
        let path = schema::path(layout, *service);
        if write {
            std::fs::write(&path, &text)?;
            ui::line(format!("wrote {}", path.display()));
        } else if check {
            let committed = std::fs::read_to_string(&path).unwrap_or_default();
            if committed != text {
                same = false;
                ui::warn(format!(
                    "{} is not what its migrations make; run `tabib schema {} --write`\n{}",
                    path.display(),
                    service.name,
                    difference(&committed, &text)
                ));
            }
        } else {
            ui::line(text.trim_end());
        }
    }
    if check && same {
        ui::line(format!(
            "schema.rs of {} services equals their migrations",
            services.len()
        ));
    }
    Ok(same)
}

/// The first line that differs, as both sides have it.
fn difference(committed: &str, generated: &str) -> String {
    let (mut left, mut right) = (committed.lines(), generated.lines());
    let mut number = 0;
    loop {
        number += 1;
        match (left.next(), right.next()) {
            (None, None) => return "  only the end of the file differs".to_owned(),
            (one, other) if one == other => {}
            (one, other) => {
                return format!(
                    "  line {number}, committed: {}\n  line {number}, generated: {}",
                    one.unwrap_or("(end)"),
                    other.unwrap_or("(end)")
                );
            }
        }
    }
}

/// Compares or writes the committed OpenAPI documents.
pub async fn openapi(layout: &Layout, check: bool) -> Result<bool> {
    let differ = rules::openapi(layout, !check).await?;
    if differ.is_empty() {
        ui::line("docs/openapi equals what the binaries say");
        return Ok(true);
    }
    if check {
        ui::warn(format!(
            "docs/openapi differs from the binaries for: {}. Run `make openapi` and commit",
            differ.join(", ")
        ));
    } else {
        ui::line(format!("wrote docs/openapi for {}", differ.join(", ")));
    }
    Ok(!check)
}

/// Prints every broken rule.
pub async fn rules(layout: &Layout) -> Result<bool> {
    let mut broken = rules::dependencies(layout).await?;
    broken.extend(rules::settings_are_explained(layout)?);
    for rule in &broken {
        ui::warn(format!("rule broken: {rule}"));
    }
    if broken.is_empty() {
        ui::line("the rules on dependencies and settings hold");
    }
    Ok(broken.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_difference_is_shown() {
        let shown = difference("a\nb\n", "a\nc\n");
        assert!(shown.contains("line 2, committed: b"), "{shown}");
        assert!(shown.contains("line 2, generated: c"), "{shown}");
    }
}
