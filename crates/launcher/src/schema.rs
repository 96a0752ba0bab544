//! `tabib schema`: the diesel `table!` blocks of a migrated database, for `src/schema.rs` of a
//! service. Tables that every database has (outbox, inbox, audit …) are left out: their crates
//! own them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result, bail};
use tokio::io::AsyncWriteExt;
use tokio_postgres::Client;

use crate::backing::BackingUrls;
use crate::database::{self, ServiceDatabase};
use crate::environment::{Plan, WITHHELD};
use crate::layout::Layout;
use crate::secrets::Secrets;
use crate::services::{PortPlan, Service};
use crate::supervisor::{ProcessSpec, command};

/// Where the committed text of a service is.
pub fn path(layout: &Layout, service: Service) -> std::path::PathBuf {
    layout
        .checkout
        .join("services")
        .join(service.name)
        .join("src/schema.rs")
}

/// Migrates a scratch database with the service's binary and prints its tables.
pub async fn generate(layout: &Layout, admin_url: &str, service: Service) -> Result<String> {
    let name = format!(
        "schema_{}_{}",
        service.name.replace('-', "_"),
        crate::secrets::alphanumeric(8).to_lowercase()
    );
    let admin = database::connect(admin_url).await?;
    admin
        .batch_execute(&format!("CREATE DATABASE \"{name}\""))
        .await?;
    let text = async {
        let mut url = url::Url::parse(admin_url)?;
        url.set_path(&name);
        migrate(layout, service, url.as_str()).await?;
        let tables = read_tables(&database::connect(url.as_str()).await?).await?;
        let shared = shared_tables(&layout.checkout.join("migrations/shared"))?;
        format_with_rustfmt(&print(service, &tables, &shared)?).await
    }
    .await;
    admin
        .batch_execute(&format!("DROP DATABASE IF EXISTS \"{name}\" WITH (FORCE)"))
        .await?;
    text
}

async fn migrate(layout: &Layout, service: Service, url: &str) -> Result<()> {
    let scratch = std::env::temp_dir().join(format!("tabib-schema-{}", uuid::Uuid::now_v7()));
    let scratch_layout = layout.with_data(scratch.clone());
    scratch_layout.create_data()?;
    let mut secrets = Secrets::open(&scratch.join("secrets.toml"))?;
    let ports = PortPlan::free()?;
    let backing = BackingUrls {
        database: url.to_owned(),
        redis: "redis://127.0.0.1:1/0".to_owned(),
        amqp: "amqp://127.0.0.1:1/%2f".to_owned(),
    };
    let databases = [(
        service.name,
        ServiceDatabase {
            app: url.to_owned(),
            owner: url.to_owned(),
        },
    )];
    let plan = Plan {
        layout: &scratch_layout,
        ports: &ports,
        backing: &backing,
        databases: &databases,
        namespace: "schema",
        environment: "development",
    };
    let environment = plan.service(service.name, &mut secrets);
    let spec = ProcessSpec {
        name: service.name.to_owned(),
        program: layout.binary(&service.binary()),
        arguments: vec!["migrate".to_owned()],
        environment: environment?,
        withheld: WITHHELD.map(str::to_owned).to_vec(),
        log: std::path::PathBuf::new(),
        port: 0,
    };
    let output = command(&spec)
        .output()
        .await
        .with_context(|| format!("cannot start {}", spec.program.display()));
    let _ = std::fs::remove_dir_all(&scratch);
    let output = output?;
    if !output.status.success() {
        bail!(
            "{} migrate failed: {}{}",
            service.name,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(())
}

/// Types of columns that the database fills for its own rules and no query of ours names.
const FILLED_BY_DATABASE: [&str; 2] = ["xid8", "tsvector"];

/// One table as the database knows it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Table {
    pub key: Vec<String>,
    pub columns: Vec<Column>,
}

/// One column.
#[derive(Debug, PartialEq, Eq)]
pub struct Column {
    pub name: String,
    /// PostgreSQL's name of the type; arrays begin with `_`.
    pub kind: String,
    pub nullable: bool,
}

async fn read_tables(client: &Client) -> Result<BTreeMap<String, Table>> {
    let mut tables: BTreeMap<String, Table> = BTreeMap::new();
    // Partitions repeat their parent; only the parent is a table of the model.
    let rows = client
        .query(
            "SELECT c.relname::text, a.attname::text, t.typname::text, NOT a.attnotnull \
             FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
             JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
             JOIN pg_type t ON t.oid = a.atttypid \
             WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND NOT c.relispartition \
             ORDER BY c.relname, a.attnum",
            &[],
        )
        .await?;
    for row in rows {
        tables.entry(row.get(0)).or_default().columns.push(Column {
            name: row.get(1),
            kind: row.get(2),
            nullable: row.get(3),
        });
    }
    let keys = client
        .query(
            "SELECT c.relname::text, a.attname::text \
             FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid \
             JOIN pg_namespace n ON n.oid = c.relnamespace \
             CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS k(number, place) \
             JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.number \
             WHERE n.nspname = 'public' AND i.indisprimary ORDER BY c.relname, k.place",
            &[],
        )
        .await?;
    for row in keys {
        if let Some(table) = tables.get_mut(&row.get::<_, String>(0)) {
            table.key.push(row.get(1));
        }
    }
    Ok(tables)
}

/// The tables that `migrations/shared` creates in every database, and diesel's own.
fn shared_tables(folder: &Path) -> Result<Vec<String>> {
    let pattern = regex::Regex::new(
        r"(?i)CREATE\s+TABLE\s+(?:IF\s+NOT\s+EXISTS\s+)?(?:public\.)?([a-z_0-9]+)",
    )?;
    let mut names = vec!["__diesel_schema_migrations".to_owned()];
    for entry in std::fs::read_dir(folder)?.flatten() {
        let Ok(text) = std::fs::read_to_string(entry.path().join("up.sql")) else {
            continue;
        };
        names.extend(
            pattern
                .captures_iter(&text)
                .map(|found| found[1].to_owned()),
        );
    }
    Ok(names)
}

/// The text before formatting.
fn print(service: Service, tables: &BTreeMap<String, Table>, shared: &[String]) -> Result<String> {
    let mut text = format!(
        "// Generated by `tabib schema {}`; never edited by hand.\n",
        service.name
    );
    let own: Vec<(&String, &Table)> = tables
        .iter()
        .filter(|(name, _)| !shared.contains(name))
        .collect();
    for (name, table) in &own {
        if table.key.is_empty() {
            bail!("the table {name} of {} has no primary key", service.name);
        }
        let key: Vec<String> = table.key.iter().map(|it| identifier(it)).collect();
        write!(
            text,
            "\ndiesel::table! {{\n    {name} ({}) {{\n",
            key.join(", ")
        )?;
        let modelled = table
            .columns
            .iter()
            .filter(|column| !FILLED_BY_DATABASE.contains(&column.kind.as_str()));
        for column in modelled {
            let kind = diesel_type(&column.kind).with_context(|| {
                format!(
                    "{name}.{} has the type {}, which has no diesel type here",
                    column.name, column.kind
                )
            })?;
            let kind = if column.nullable {
                format!("Nullable<{kind}>")
            } else {
                kind
            };
            let shown = identifier(&column.name);
            if shown != column.name {
                writeln!(text, "        #[sql_name = \"{}\"]", column.name)?;
            }
            writeln!(text, "        {shown} -> {kind},")?;
        }
        text.push_str("    }\n}\n");
    }
    if own.len() > 1 {
        let names: Vec<&str> = own.iter().map(|(name, _)| name.as_str()).collect();
        write!(
            text,
            "\ndiesel::allow_tables_to_appear_in_same_query!({});\n",
            names.join(", ")
        )?;
    }
    Ok(text)
}

/// A column whose name is a Rust keyword gets an underscore, as diesel's own printer does it.
fn identifier(name: &str) -> String {
    const KEYWORDS: [&str; 18] = [
        "type", "ref", "move", "match", "use", "where", "for", "in", "as", "mod", "loop", "fn",
        "enum", "static", "const", "final", "override", "macro",
    ];
    if KEYWORDS.contains(&name) {
        format!("{name}_")
    } else {
        name.to_owned()
    }
}

fn diesel_type(kind: &str) -> Option<String> {
    if let Some(element) = kind.strip_prefix('_') {
        return diesel_type(element).map(|element| format!("Array<{element}>"));
    }
    let name = match kind {
        "uuid" => "Uuid",
        "text" | "varchar" | "bpchar" => "Text",
        "int2" => "Int2",
        "int4" => "Int4",
        "int8" => "Int8",
        "bool" => "Bool",
        "timestamptz" => "Timestamptz",
        "timestamp" => "Timestamp",
        "date" => "Date",
        "time" => "Time",
        "jsonb" => "Jsonb",
        "json" => "Json",
        "bytea" => "Bytea",
        "float4" => "Float4",
        "float8" => "Float8",
        _ => return None,
    };
    Some(name.to_owned())
}

/// `make check` formats the committed file, so the comparison is made on formatted text.
async fn format_with_rustfmt(text: &str) -> Result<String> {
    let child = tokio::process::Command::new("rustfmt")
        .args(["--edition", "2024"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn();
    let mut child = child.context("rustfmt was not found; `rustup component add rustfmt`")?;
    let mut input = child.stdin.take().context("rustfmt has no input")?;
    input.write_all(text.as_bytes()).await?;
    drop(input);
    let output = child.wait_with_output().await?;
    anyhow::ensure!(
        output.status.success(),
        "rustfmt refused the generated schema"
    );
    Ok(String::from_utf8(output.stdout)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str, kind: &str, nullable: bool) -> Column {
        Column {
            name: name.to_owned(),
            kind: kind.to_owned(),
            nullable,
        }
    }

    #[test]
    fn tables_are_printed_without_the_shared_ones() {
        let portal = Service::named("portal").unwrap();
        let mut tables = BTreeMap::new();
        tables.insert(
            "rooms".to_owned(),
            Table {
                key: vec!["id".to_owned()],
                columns: vec![
                    column("id", "uuid", false),
                    column("type", "varchar", false),
                    column("tags", "_text", false),
                    column("written_by", "xid8", false),
                    column("closed_at", "timestamptz", true),
                ],
            },
        );
        tables.insert(
            "members".to_owned(),
            Table {
                key: vec!["room_id".to_owned(), "user_id".to_owned()],
                columns: vec![
                    column("room_id", "uuid", false),
                    column("user_id", "uuid", false),
                ],
            },
        );
        tables.insert("outbox_events".to_owned(), Table::default());
        let text = print(portal, &tables, &["outbox_events".to_owned()]).unwrap();
        assert!(text.contains("members (room_id, user_id) {"), "{text}");
        assert!(
            text.contains("#[sql_name = \"type\"]\n        type_ -> Text,"),
            "{text}"
        );
        assert!(text.contains("tags -> Array<Text>,"), "{text}");
        assert!(
            text.contains("closed_at -> Nullable<Timestamptz>,"),
            "{text}"
        );
        assert!(
            text.contains("allow_tables_to_appear_in_same_query!(members, rooms);"),
            "{text}"
        );
        assert!(!text.contains("outbox_events"), "{text}");
        assert!(!text.contains("written_by"), "{text}");
    }

    #[test]
    fn a_type_without_a_diesel_type_is_named() {
        let portal = Service::named("portal").unwrap();
        let mut tables = BTreeMap::new();
        tables.insert(
            "odd".to_owned(),
            Table {
                key: vec!["id".to_owned()],
                columns: vec![column("id", "polygon", false)],
            },
        );
        let error = print(portal, &tables, &[]).unwrap_err();
        assert!(format!("{error:#}").contains("odd.id has the type polygon"));
    }
}
