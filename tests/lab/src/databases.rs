//! Connections to the services' databases as their administrator.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use tokio_postgres::Client;
use url::Url;

/// One connection per service.
pub struct Databases {
    clients: BTreeMap<&'static str, Client>,
}

impl Databases {
    /// Connects to `<namespace>_<service>` of every service.
    ///
    /// # Errors
    /// When one of them cannot be reached.
    pub async fn connect(admin_url: &str, namespace: &str) -> Result<Self> {
        let mut clients = BTreeMap::new();
        for service in launcher::services::SERVICES {
            let name = format!("{namespace}_{}", service.name.replace('-', "_"));
            clients.insert(service.name, connect_to(admin_url, &name).await?);
        }
        Ok(Self { clients })
    }

    /// The given connections, for tests with fewer services.
    pub fn of(clients: impl IntoIterator<Item = (&'static str, Client)>) -> Self {
        Self {
            clients: clients.into_iter().collect(),
        }
    }

    /// The database of a service.
    ///
    /// # Errors
    /// When it is not among the connections.
    pub fn get(&self, service: &str) -> Result<&Client> {
        self.clients
            .get(service)
            .with_context(|| format!("no connection to the database of {service}"))
    }

    /// Every service with its connection.
    pub fn all(&self) -> impl Iterator<Item = (&'static str, &Client)> {
        self.clients.iter().map(|(name, client)| (*name, client))
    }
}

/// Connects to another database of the same server.
///
/// # Errors
/// When the address is no URL or the server refuses.
pub async fn connect_to(admin_url: &str, database: &str) -> Result<Client> {
    let mut url = Url::parse(admin_url).context("the database address is no URL")?;
    url.set_path(database);
    launcher::database::connect(url.as_str()).await
}
