//! The settings of chat, see `settings.default.toml`.

use file_store::FileStoreSettings;
use serde::Deserialize;
use service_config::{
    AmqpSettings, AuthSettings, DatabaseSettings, Environment, PeerSettings, RedisSettings,
    SealingSettings, ServerSettings, TelemetrySettings, Validate, all, rule,
};

/// Everything that can be set.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Kind of installation.
    pub environment: Environment,
    /// Addresses.
    pub server: ServerSettings,
    /// The service's database.
    pub database: DatabaseSettings,
    /// Redis.
    pub redis: RedisSettings,
    /// RabbitMQ.
    pub amqp: AmqpSettings,
    /// Logs, traces.
    pub telemetry: TelemetrySettings,
    /// Issuers, this service's client.
    pub auth: AuthSettings,
    /// Where the other services are.
    #[serde(default)]
    pub peers: PeerSettings,
    /// Keys that seal files.
    pub sealing: SealingSettings,
    /// Where files rest.
    pub files: FileStoreSettings,
    /// Bounds of WebSockets (Q-C2).
    pub socket: SocketSettings,
}

/// Bounds of WebSockets (Q-C2).
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SocketSettings {
    /// Most bytes of one frame.
    pub max_frame_bytes: usize,
    /// Most bytes of one message, all its frames together.
    pub max_message_bytes: usize,
    /// Messages a second that one socket may send.
    pub messages_per_second: u32,
    /// Sockets that one person may keep open in one process.
    pub max_per_user: usize,
    /// Seconds between pings.
    pub ping_seconds: u64,
}

impl Validate for Settings {
    fn validate(&self) -> Result<(), Vec<String>> {
        all([
            self.server.validate(),
            self.database.validate(),
            self.auth.validate(),
            self.peers.validate(),
            self.sealing.validate(),
            self.files.validate(),
            rule(
                self.socket.max_frame_bytes >= 1024
                    && self.socket.max_message_bytes >= self.socket.max_frame_bytes,
                "socket.max_frame_bytes must be at least 1024 and at most socket.max_message_bytes",
            ),
            rule(
                self.socket.messages_per_second > 0,
                "socket.messages_per_second must be above 0",
            ),
            rule(
                self.socket.max_per_user > 0,
                "socket.max_per_user must be above 0",
            ),
            rule(
                (1..=300).contains(&self.socket.ping_seconds),
                "socket.ping_seconds must be 1 to 300",
            ),
        ])
    }
}

service_http::common_sections!(Settings);
