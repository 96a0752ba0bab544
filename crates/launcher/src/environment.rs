//! The settings every process is started with, as environment variables of its own prefix.

use std::collections::BTreeMap;

use anyhow::Result;

use crate::backing::BackingUrls;
use crate::database::ServiceDatabase;
use crate::layout::{Layout, create_folder};
use crate::secrets::Secrets;
use crate::services::{PortPlan, SERVICES, prefix};

/// Addresses that belong to servers, not to services: a service must get its own, never the
/// administrator's from our environment.
pub const WITHHELD: [&str; 4] = ["DATABASE_URL", "REDIS_URL", "AMQP_URL", "TABIB_CONFIG_FILE"];

/// The services that keep sealed values.
const SEALING: [&str; 5] = [
    "auth-otp",
    "patient-access",
    "portal",
    "integrations",
    "chat",
];

/// What the settings are made from.
pub struct Plan<'a> {
    pub layout: &'a Layout,
    pub ports: &'a PortPlan,
    pub backing: &'a BackingUrls,
    pub databases: &'a [(&'static str, ServiceDatabase)],
    /// Prefix of queues, exchanges and Redis keys: two platforms may share the servers.
    pub namespace: &'a str,
    /// `development` or `test`.
    pub environment: &'a str,
}

/// Settings by path (`DATABASE__URL`), collected for one process.
struct Settings {
    prefix: String,
    values: BTreeMap<String, String>,
}

impl Settings {
    fn set(&mut self, path: &str, value: impl Into<String>) {
        let name = format!("{}__{path}", self.prefix);
        // What the person who runs the launcher has set wins.
        if std::env::var_os(&name).is_none() {
            self.values.insert(name, value.into());
        }
    }
}

impl Plan<'_> {
    /// The environment of one service's `serve`, `worker`, `migrate` and `seed`.
    pub fn service(&self, name: &str, secrets: &mut Secrets) -> Result<BTreeMap<String, String>> {
        let mut settings = self.common(name);
        settings.set("SERVER__PORT", self.ports.of(name).to_string());
        settings.set(
            "SERVER__WORKER_PORT",
            self.ports.worker_of(name).to_string(),
        );
        settings.set("SERVER__PUBLIC_URL", self.public_url());
        if let Some((_, database)) = self.databases.iter().find(|(of, _)| *of == name) {
            settings.set("DATABASE__URL", &database.app);
            settings.set("DATABASE__MIGRATION_URL", &database.owner);
        }
        settings.set("REDIS__URL", &self.backing.redis);
        settings.set("REDIS__PREFIX", format!("{}:{name}", self.namespace));
        settings.set("AMQP__URL", &self.backing.amqp);
        settings.set("AMQP__PREFIX", self.namespace);
        self.auth(&mut settings, name, secrets)?;
        self.peers(&mut settings);
        if SEALING.contains(&name) {
            sealing(&mut settings, name, secrets)?;
        }
        self.own(&mut settings, name, secrets)?;
        Ok(settings.values)
    }

    /// The environment of the gateway.
    pub fn gateway(&self, secrets: &mut Secrets) -> Result<BTreeMap<String, String>> {
        let mut settings = self.common("gateway");
        settings.set("SERVER__PORT", self.ports.gateway.to_string());
        settings.set("SERVER__PUBLIC_URL", self.public_url());
        settings.set("REDIS__URL", &self.backing.redis);
        settings.set("REDIS__PREFIX", format!("{}:gateway:", self.namespace));
        settings.set("AMQP__URL", &self.backing.amqp);
        settings.set("AMQP__PREFIX", self.namespace);
        settings.set(
            "WEB__DIRECTORY",
            self.layout.checkout.join("web/dist").display().to_string(),
        );
        self.auth(&mut settings, "gateway", secrets)?;
        self.peers(&mut settings);
        Ok(settings.values)
    }

    /// The environment of the provider simulators.
    pub fn simulators(&self, secrets: &mut Secrets) -> Result<BTreeMap<String, String>> {
        let mut settings = self.common("simulators");
        settings.set("SERVER__PORT", self.ports.simulators.to_string());
        settings.set("SERVER__PUBLIC_URL", self.public_url());
        settings.set("DATA_DIR", self.folder("simulators")?);
        settings.set("SANDBOX__API_KEY", secrets.password("sandbox_api_key")?);
        settings.set(
            "SANDBOX__WEBHOOK_URL",
            format!(
                "http://127.0.0.1:{}/api/integrations/webhook/payment-status/",
                self.ports.gateway
            ),
        );
        settings.set(
            "SANDBOX__WEBHOOK_SECRET",
            secrets.password("payment_status_webhook")?,
        );
        Ok(settings.values)
    }

    /// Where browsers find the platform.
    pub fn public_url(&self) -> String {
        format!("http://localhost:{}", self.ports.gateway)
    }

    fn common(&self, name: &str) -> Settings {
        let mut settings = Settings {
            prefix: prefix(name),
            values: BTreeMap::new(),
        };
        settings
            .values
            .insert("TABIB_ENVIRONMENT".to_owned(), self.environment.to_owned());
        settings.set("SERVER__HOST", "127.0.0.1");
        settings
    }

    fn auth(&self, settings: &mut Settings, name: &str, secrets: &mut Secrets) -> Result<()> {
        let identity = self.base("auth-otp");
        let portal = self.base("portal");
        settings.set(
            "AUTH__JWKS_URL",
            format!("{identity}/.well-known/jwks.json"),
        );
        settings.set(
            "AUTH__PORTAL_JWKS_URL",
            format!("{portal}/.well-known/jwks.json"),
        );
        settings.set(
            "AUTH__REVOCATIONS_URL",
            format!("{identity}/internal/revocations"),
        );
        settings.set(
            "AUTH__PORTAL_REVOCATIONS_URL",
            format!("{portal}/internal/revocations"),
        );
        settings.set(
            "AUTH__TOKEN_URL",
            format!("{identity}/api/auth/oauth/token/"),
        );
        settings.set("AUTH__CLIENT_ID", name);
        settings.set("AUTH__CLIENT_SECRET", client_secret(name, secrets)?);
        settings.set("AUTH__CLIENT_IP_KEY", secrets.key("client_ip_key")?);
        Ok(())
    }

    fn peers(&self, settings: &mut Settings) {
        for service in SERVICES {
            let path = format!("PEERS__{}", service.prefix());
            settings.set(&path, self.base(service.name));
        }
        settings.set(
            "PEERS__GATEWAY",
            format!("http://127.0.0.1:{}", self.ports.gateway),
        );
        settings.set(
            "PEERS__SIMULATORS",
            format!("http://127.0.0.1:{}", self.ports.simulators),
        );
    }

    /// What only one service has.
    fn own(&self, settings: &mut Settings, name: &str, secrets: &mut Secrets) -> Result<()> {
        match name {
            "auth-otp" => {
                settings.set("TOKENS__REFRESH_KEY", secrets.key("refresh_token_key")?);
                settings.set("CODES__KEY", secrets.key("code_key")?);
                settings.set(
                    "DEMO__SOAPIFY_API_KEY",
                    secrets.password("demo_soapify_api_key")?,
                );
                for client in SERVICES.iter().map(|it| it.name).chain(["gateway"]) {
                    let path = format!("CLIENTS__{}", prefix(client));
                    settings.set(&path, client_secret(client, secrets)?);
                }
            }
            "integrations" => {
                settings.set(
                    "DEVELOPMENT__SANDBOX_API_KEY",
                    secrets.password("sandbox_api_key")?,
                );
                settings.set("FILES__ROOT", self.folder("integrations")?);
                settings.set(
                    "WEBHOOKS__PAYMENT_STATUS_SECRET",
                    secrets.password("payment_status_webhook")?,
                );
            }
            "chat" => settings.set("FILES__ROOT", self.folder("chat")?),
            "portal" => {
                settings.set("KEYS__LOOKUP_SECRET", secrets.key("portal_lookup_key")?);
                settings.set("PORTAL__URL", format!("{}/patient", self.public_url()));
                settings.set("FILES__ROOT", self.folder("reports")?);
            }
            _ => {}
        }
        Ok(())
    }

    /// A folder below the data folder that exists.
    fn folder(&self, name: &str) -> Result<String> {
        let folder = self.layout.data.join("files").join(name);
        create_folder(&folder, 0o700)?;
        Ok(folder.display().to_string())
    }

    fn base(&self, name: &str) -> String {
        format!("http://127.0.0.1:{}", self.ports.of(name))
    }
}

/// The secret with which a process asks for service tokens.
fn client_secret(name: &str, secrets: &mut Secrets) -> Result<String> {
    secrets.password(&format!("client_{}", name.replace('-', "_")))
}

/// Each service has its own sealing key: one leaked key opens one database.
fn sealing(settings: &mut Settings, name: &str, secrets: &mut Secrets) -> Result<()> {
    let key = secrets.key(&format!("sealing_{}", name.replace('-', "_")))?;
    settings.set("SEALING__ACTIVE_KEY_ID", "k1");
    settings.set("SEALING__KEYS__K1", key);
    Ok(())
}
