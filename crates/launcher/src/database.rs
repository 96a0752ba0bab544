//! Databases and roles: per service one database, one owner role that migrates, one application
//! role that only reads and writes rows.

use anyhow::{Context, Result};
use tokio_postgres::{Client, NoTls};
use url::Url;

use crate::secrets::Secrets;
use crate::services::SERVICES;

/// The addresses one service gets.
#[derive(Debug, Clone)]
pub struct ServiceDatabase {
    /// For `serve` and `worker`: rows only.
    pub app: String,
    /// For `migrate`: owns the schema.
    pub owner: String,
}

/// A connection of the administrator, with its background task.
pub async fn connect(url: &str) -> Result<Client> {
    let (client, connection) = tokio_postgres::connect(url, NoTls)
        .await
        .with_context(|| format!("cannot connect to {}", without_password(url)))?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "an administrative database connection ended");
        }
    });
    Ok(client)
}

/// Creates what is missing: roles with their passwords and databases named
/// `<prefix>_<service>`. Existing ones are kept and their passwords set to ours.
pub async fn provision(
    admin_url: &str,
    prefix: &str,
    secrets: &mut Secrets,
) -> Result<Vec<(&'static str, ServiceDatabase)>> {
    let admin = connect(admin_url).await?;
    let may_create: bool = admin
        .query_one(
            "SELECT rolsuper OR (rolcreatedb AND rolcreaterole) FROM pg_roles WHERE rolname = current_user",
            &[],
        )
        .await?
        .get(0);
    anyhow::ensure!(
        may_create,
        "the role of {} may not create databases and roles; give DATABASE_URL of one that has CREATEDB and CREATEROLE",
        without_password(admin_url)
    );
    let mut databases = Vec::new();
    for service in SERVICES {
        let name = format!("{prefix}_{}", service.name.replace('-', "_"));
        let owner = format!("{name}_owner");
        let app_password = secrets.password(&format!("database_{name}"))?;
        let owner_password = secrets.password(&format!("database_{owner}"))?;
        ensure_role(&admin, &owner, &owner_password).await?;
        ensure_role(&admin, &name, &app_password).await?;
        ensure_database(&admin, &name, &owner).await?;
        databases.push((
            service.name,
            ServiceDatabase {
                app: address(admin_url, &name, &app_password, &name)?,
                owner: address(admin_url, &owner, &owner_password, &name)?,
            },
        ));
    }
    Ok(databases)
}

/// Removes what [`provision`] made for `prefix`: for tests.
pub async fn drop_all(admin_url: &str, prefix: &str) -> Result<()> {
    let admin = connect(admin_url).await?;
    for service in SERVICES {
        let name = format!("{prefix}_{}", service.name.replace('-', "_"));
        admin
            .batch_execute(&format!("DROP DATABASE IF EXISTS \"{name}\" WITH (FORCE)"))
            .await?;
        for role in [name.clone(), format!("{name}_owner")] {
            admin
                .batch_execute(&format!("DROP ROLE IF EXISTS \"{role}\""))
                .await?;
        }
    }
    Ok(())
}

async fn ensure_role(admin: &Client, role: &str, password: &str) -> Result<()> {
    let known = admin
        .query_opt("SELECT 1 FROM pg_roles WHERE rolname = $1", &[&role])
        .await?
        .is_some();
    let verb = if known { "ALTER" } else { "CREATE" };
    // Names and passwords are ours: letters, digits and underscores only.
    admin
        .batch_execute(&format!(
            "{verb} ROLE \"{role}\" LOGIN PASSWORD '{password}'"
        ))
        .await
        .with_context(|| format!("cannot create the role {role}"))
}

async fn ensure_database(admin: &Client, name: &str, owner: &str) -> Result<()> {
    let known = admin
        .query_opt("SELECT 1 FROM pg_database WHERE datname = $1", &[&name])
        .await?
        .is_some();
    if !known {
        // A role that is no superuser must be a member of the owner to give it a database.
        admin
            .batch_execute(&format!("GRANT \"{owner}\" TO CURRENT_USER"))
            .await?;
        admin
            .batch_execute(&format!(
                "CREATE DATABASE \"{name}\" OWNER \"{owner}\" TEMPLATE template0 ENCODING 'UTF8'"
            ))
            .await
            .with_context(|| format!("cannot create the database {name}"))?;
    }
    admin
        .batch_execute(&format!(
            "REVOKE ALL ON DATABASE \"{name}\" FROM PUBLIC; \
             GRANT CONNECT, TEMPORARY ON DATABASE \"{name}\" TO \"{name}\""
        ))
        .await?;
    Ok(())
}

/// The administrator's address with another user, password and database.
pub fn address(admin_url: &str, user: &str, password: &str, database: &str) -> Result<String> {
    let mut url = Url::parse(admin_url).context("the database address is not a URL")?;
    let changed = url
        .set_username(user)
        .and_then(|()| url.set_password(Some(password)));
    anyhow::ensure!(changed.is_ok(), "the database address has no host");
    url.set_path(database);
    Ok(url.into())
}

/// An address that may be shown.
pub fn without_password(url: &str) -> String {
    match Url::parse(url) {
        Ok(mut url) => {
            let _ = url.set_password(None);
            url.into()
        }
        Err(_) => "the given address (not a URL)".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_derived_and_shown_without_password() {
        let admin = "postgres://postgres:secret@127.0.0.1:15432/postgres?sslmode=disable";
        assert_eq!(
            address(admin, "tabib_portal", "pw", "tabib_portal").unwrap(),
            "postgres://tabib_portal:pw@127.0.0.1:15432/tabib_portal?sslmode=disable"
        );
        assert!(!without_password(admin).contains("secret"));
    }
}
