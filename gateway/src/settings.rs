//! The gateway's settings. Every key stands with a comment in `settings.default.toml`.

use std::path::PathBuf;

use serde::Deserialize;
use service_config::{
    AmqpSettings, AuthSettings, ConfigError, Environment, PeerSettings, RedisSettings,
    ServerSettings, Sources, TelemetrySettings, Validate, all, rule,
};

use crate::cidr::Block;

/// The defaults compiled in.
pub const DEFAULTS: &str = include_str!("../settings.default.toml");

/// All settings.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// What kind of installation this is.
    #[serde(default)]
    pub environment: Environment,
    /// Where to listen.
    pub server: ServerSettings,
    /// Certificates.
    pub tls: TlsSettings,
    /// Counters of rate limits.
    pub redis: RedisSettings,
    /// Broker of the platform; the gateway only reads broadcasts, and polls when it is absent.
    #[serde(default)]
    pub amqp: Option<AmqpSettings>,
    /// Logs and traces.
    #[serde(default)]
    pub telemetry: TelemetrySettings,
    /// Token checks.
    pub auth: AuthSettings,
    /// Addresses of services, several by commas.
    #[serde(default)]
    pub peers: PeerSettings,
    /// Route table.
    pub routes: RouteSettings,
    /// What clients may cost.
    pub clients: ClientSettings,
    /// Calls to services.
    pub upstream: UpstreamSettings,
    /// WebSockets.
    pub websocket: WebSocketSettings,
    /// Rate limits.
    pub limits: LimitSettings,
    /// Foreign origins.
    pub cors: CorsSettings,
    /// The web application's files.
    pub web: WebSettings,
    /// Access log.
    pub logs: LogSettings,
    /// Sampling.
    pub traces: TraceSettings,
}

/// Certificates.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsSettings {
    /// PEM chain; empty = plain HTTP.
    pub certificate_file: String,
    /// PEM key.
    pub key_file: String,
    /// Seconds between two looks at the files.
    pub watch_seconds: u64,
}

/// Route table.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteSettings {
    /// File; empty = the embedded table.
    pub file: String,
}

/// What clients may cost (Q-G4).
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientSettings {
    /// Connections per worker.
    pub max_connections: usize,
    /// Milliseconds for a request's head.
    pub header_timeout_ms: u64,
    /// Seconds an idle connection is kept.
    pub keep_alive_seconds: u64,
    /// Bytes per second of a body after the grace.
    pub minimum_rate_bytes: u64,
    /// Milliseconds of waiting before the rate counts.
    pub rate_grace_ms: u64,
    /// Milliseconds after which a client that reads nothing is cut off.
    pub write_stall_ms: u64,
    /// Proxies in front of the gateway.
    pub trusted_proxies: String,
    /// Host names that are answered; empty = any.
    pub allowed_hosts: String,
}

/// Calls to services.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpstreamSettings {
    /// Milliseconds until a connection must stand.
    pub connect_timeout_ms: u64,
    /// Milliseconds an unused connection is kept.
    pub idle_ms: u64,
    /// Unused connections per instance and worker.
    pub max_idle: usize,
    /// Calls on their way to one service.
    pub max_in_flight: usize,
    /// WebSockets of one service.
    pub max_websockets: usize,
    /// The longest silence inside an answer, in milliseconds.
    pub stall_ms: u64,
    /// Milliseconds between probes.
    pub probe_interval_ms: u64,
    /// Further attempts for calls that may be repeated.
    pub retries: u32,
}

/// WebSockets.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebSocketSettings {
    /// The largest frame a client may send.
    pub max_frame_bytes: u64,
    /// Seconds without any byte in either direction.
    pub idle_seconds: u64,
}

/// Rate limits.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitSettings {
    /// Off only in benchmarks of something else.
    pub enabled: bool,
    /// How much wider in development.
    pub development_factor: u32,
    /// A process leases one part in so many of a limit.
    pub lease_divisor: u32,
}

/// Foreign origins.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CorsSettings {
    /// Allowed origins, by commas.
    pub origins: String,
}

/// The web application.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebSettings {
    /// Folder of the built files.
    pub directory: PathBuf,
}

/// What the access log holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AccessLog {
    /// Every call.
    All,
    /// Status 500 and above.
    Errors,
    /// Nothing.
    None,
}

/// Access log.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogSettings {
    /// Which calls.
    pub access: AccessLog,
}

/// Sampling of traces.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TraceSettings {
    /// 0 to 1.
    pub ratio: f64,
}

impl Settings {
    /// Loads defaults, file and environment.
    ///
    /// # Errors
    /// [`ConfigError`] naming the key.
    pub fn load(sources: Sources) -> Result<Self, ConfigError> {
        service_config::load("gateway", DEFAULTS, sources)
    }

    /// The text of the route table.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn route_table(&self) -> std::io::Result<String> {
        if self.routes.file.is_empty() {
            Ok(crate::routes::EMBEDDED.to_owned())
        } else {
            std::fs::read_to_string(&self.routes.file)
        }
    }

    /// The addresses of a service as `host:port`.
    pub fn authorities(&self, service: &str) -> Vec<String> {
        split(self.peer(service))
            .filter_map(|url| authority(url).ok())
            .collect()
    }

    fn peer(&self, service: &str) -> &str {
        let peers = &self.peers;
        match service {
            "auth-otp" => &peers.auth_otp,
            "patient-access" => &peers.patient_access,
            "payments" => &peers.payments,
            "portal" => &peers.portal,
            "content" => &peers.content,
            "integrations" => &peers.integrations,
            "chat" => &peers.chat,
            "simulators" => &peers.simulators,
            _ => "",
        }
    }

    /// Trusted proxies; checked by [`Validate`].
    pub fn trusted_proxies(&self) -> Vec<Block> {
        split(&self.clients.trusted_proxies)
            .filter_map(|text| text.parse().ok())
            .collect()
    }

    /// Allowed foreign origins, development's own included.
    pub fn origins(&self) -> Vec<String> {
        let mut origins: Vec<String> = split(&self.cors.origins).map(str::to_owned).collect();
        if self.environment == Environment::Development {
            for host in ["localhost", "127.0.0.1"] {
                for port in [3000, 5173] {
                    origins.push(format!("http://{host}:{port}"));
                }
            }
        }
        origins
    }

    /// Allowed host names in lower case; empty = any.
    pub fn allowed_hosts(&self) -> Vec<String> {
        split(&self.clients.allowed_hosts)
            .map(str::to_ascii_lowercase)
            .collect()
    }

    /// Whether development routes exist.
    pub fn is_development(&self) -> bool {
        !self.environment.is_production()
    }
}

/// The parts of a comma list.
pub fn split(list: &str) -> impl Iterator<Item = &str> {
    list.split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
}

/// `host:port` of a base address. Services are reached over plain HTTP inside the platform's network.
fn authority(url: &str) -> Result<String, String> {
    let parsed = url::Url::parse(url).map_err(|_| format!("`{url}` is not an address"))?;
    let host = parsed.host_str().filter(|_| parsed.scheme() == "http");
    match (host, parsed.port_or_known_default(), parsed.path()) {
        (Some(host), Some(port), "/") => Ok(format!("{host}:{port}")),
        _ => Err(format!("`{url}` must be http://host:port without a path")),
    }
}

impl Validate for Settings {
    fn validate(&self) -> Result<(), Vec<String>> {
        let addresses = crate::routes::SERVICES.iter().map(|service| {
            let wrong: Vec<String> = split(self.peer(service))
                .filter_map(|url| authority(url).err())
                .collect();
            if wrong.is_empty() {
                Ok(())
            } else {
                Err(wrong.iter().map(|text| format!("peers: {text}")).collect())
            }
        });
        let proxies = split(&self.clients.trusted_proxies).map(|text| {
            rule(
                text.parse::<Block>().is_ok(),
                "clients.trusted_proxies must list addresses or CIDR blocks",
            )
        });
        let origins = split(&self.cors.origins).map(|origin| {
            let fine = url::Url::parse(origin)
                .is_ok_and(|url| url.origin().ascii_serialization() == origin);
            rule(
                fine,
                "cors.origins must list origins such as https://app.example.org, without a path",
            )
        });
        let table = match self.route_table() {
            Ok(text) => crate::routes::RouteTable::parse(&text, true)
                .map(drop)
                .map_err(|error| error.0),
            Err(error) => Err(vec![format!("routes.file cannot be read: {error}")]),
        };
        all(addresses.chain(proxies).chain(origins).chain([
            self.server.validate(),
            self.redis.validate(),
            self.telemetry.validate(),
            self.auth.validate(),
            self.amqp.as_ref().map_or(Ok(()), Validate::validate),
            rule(
                self.tls.certificate_file.is_empty() == self.tls.key_file.is_empty(),
                "tls.certificate_file and tls.key_file belong together",
            ),
            rule(
                self.tls.watch_seconds > 0,
                "tls.watch_seconds must be at least 1",
            ),
            rule(
                self.clients.max_connections > 0,
                "clients.max_connections must be at least 1",
            ),
            rule(
                self.clients.header_timeout_ms > 0,
                "clients.header_timeout_ms must be at least 1",
            ),
            rule(
                self.upstream.max_in_flight > 0,
                "upstream.max_in_flight must be at least 1",
            ),
            rule(
                self.upstream.probe_interval_ms >= 100,
                "upstream.probe_interval_ms must be at least 100",
            ),
            rule(
                (126..=67_108_864).contains(&self.websocket.max_frame_bytes),
                "websocket.max_frame_bytes must be 126 to 67108864",
            ),
            rule(
                (0.0..=1.0).contains(&self.traces.ratio),
                "traces.ratio must be 0 to 1",
            ),
            rule(
                self.limits.development_factor > 0,
                "limits.development_factor must be at least 1",
            ),
            rule(
                self.limits.lease_divisor > 0,
                "limits.lease_divisor must be at least 1",
            ),
            table,
        ]))
    }
}
