//! Settings of the simulator process and the options that tests give to [`crate::spawn`].

use std::path::PathBuf;

use serde::Deserialize;
use service_config::{Environment, Secret, ServerSettings, TelemetrySettings, Validate};

/// Every key with its comment and default.
pub const DEFAULTS: &str = include_str!("../settings.default.toml");

/// Settings of `tabib-simulators` (`SIMULATORS__…`).
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// `development` or `test`; anything else is refused.
    #[serde(default)]
    pub environment: Environment,
    /// Listener; `public_url` is the address of hosted pages as a browser sees them.
    pub server: ServerSettings,
    /// Logs, traces, metrics.
    pub telemetry: TelemetrySettings,
    /// Folder of the journals; empty = nothing survives the process.
    pub data_dir: String,
    /// Sandbox payment provider.
    pub sandbox: SandboxSettings,
    /// Kavenegar simulator.
    pub kavenegar: KeySettings,
    /// BitPay/Medogram simulator.
    pub bitpay: KeySettings,
    /// Simulators of ZarinPal, PayPing, Stripe and Wave.
    pub checkout: KeySettings,
    /// OpenAI simulator.
    pub openai: KeySettings,
    /// Anthropic simulator.
    pub anthropic: KeySettings,
    /// TalkBot simulator.
    pub talkbot: KeySettings,
    /// Accounts of the other SMS vendors.
    #[serde(default)]
    pub vendors: VendorKeys,
    /// The mail server.
    #[serde(default)]
    pub smtp: SmtpSettings,
}

/// `[smtp]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SmtpSettings {
    /// Port of the mail server; none listens without it.
    pub port: Option<u16>,
}

/// `[vendors]`: what the simulated SMS accounts accept. Development only.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct VendorKeys {
    /// MeliPayamak's user name.
    pub melipayamak_username: String,
    /// MeliPayamak's password.
    pub melipayamak_password: String,
    /// Parsian's token.
    pub parsian_token: String,
    /// Twilio's account.
    pub twilio_account_sid: String,
    /// Twilio's token.
    pub twilio_auth_token: String,
    /// Orange's client.
    pub orange_client_id: String,
    /// Orange's client secret.
    pub orange_client_secret: String,
}

impl Default for VendorKeys {
    fn default() -> Self {
        Self {
            melipayamak_username: "meli-user".to_owned(),
            melipayamak_password: "meli-password".to_owned(),
            parsian_token: "parsian-token".to_owned(),
            twilio_account_sid: "AC00000000000000000000000000000001".to_owned(),
            twilio_auth_token: "twilio-token".to_owned(),
            orange_client_id: "orange-client".to_owned(),
            orange_client_secret: "orange-secret".to_owned(),
        }
    }
}

/// `[sandbox]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SandboxSettings {
    /// The bearer key that clients must present.
    pub api_key: Secret,
    /// Where webhooks are posted; empty = none are sent.
    pub webhook_url: String,
    /// Key of the `X-Signature` HMAC.
    pub webhook_secret: Secret,
}

/// A vendor simulator that knows one key.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeySettings {
    /// The only key that is accepted.
    pub api_key: Secret,
}

impl Validate for Settings {
    fn validate(&self) -> Result<(), Vec<String>> {
        let mut problems = Vec::new();
        if self.environment == Environment::Production {
            problems.push(
                "the simulators answer for real providers and must not run with environment = production \
                 (set TABIB_ENVIRONMENT=development)"
                    .to_owned(),
            );
        }
        if !self.sandbox.webhook_url.is_empty()
            && url::Url::parse(&self.sandbox.webhook_url).is_err()
        {
            problems.push("sandbox.webhook_url is not a URL".to_owned());
        }
        if problems.is_empty() {
            Ok(())
        } else {
            Err(problems)
        }
    }
}

/// Where the sandbox posts its webhooks.
#[derive(Clone)]
pub struct WebhookTarget {
    /// Absolute URL.
    pub url: String,
    /// HMAC key.
    pub secret: String,
}

/// What [`crate::spawn`] needs.
#[derive(Clone)]
pub struct Options {
    /// Address to bind.
    pub host: String,
    /// 0 = any free port.
    pub port: u16,
    /// Base of hosted pages in a browser; `None` = the bound address.
    pub public_url: Option<String>,
    /// Folder of the journals; `None` = memory only.
    pub data_dir: Option<PathBuf>,
    /// Key of the sandbox payment API.
    pub sandbox_api_key: String,
    /// Webhook target of the sandbox.
    pub webhook: Option<WebhookTarget>,
    /// Key of the Kavenegar simulator.
    pub kavenegar_api_key: String,
    /// Key of the BitPay simulator.
    pub bitpay_api_key: String,
    /// Accounts of the other SMS vendors.
    pub vendors: VendorKeys,
    /// Port of the mail server (0 = any free one); `None` = no mail server.
    pub smtp_port: Option<u16>,
    /// Key of the ZarinPal, PayPing, Stripe and Wave simulators.
    pub checkout_api_key: String,
    /// Key of the OpenAI simulator.
    pub openai_api_key: String,
    /// Key of the Anthropic simulator.
    pub anthropic_api_key: String,
    /// Key of the TalkBot simulator.
    pub talkbot_api_key: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            host: "127.0.0.1".to_owned(),
            port: 0,
            public_url: None,
            data_dir: None,
            sandbox_api_key: "sandbox-key".to_owned(),
            webhook: None,
            kavenegar_api_key: "kavenegar-key".to_owned(),
            bitpay_api_key: "bitpay-key".to_owned(),
            vendors: VendorKeys::default(),
            smtp_port: None,
            checkout_api_key: "checkout-key".to_owned(),
            openai_api_key: "openai-key".to_owned(),
            anthropic_api_key: "anthropic-key".to_owned(),
            talkbot_api_key: "talkbot-key".to_owned(),
        }
    }
}

impl From<&Settings> for Options {
    fn from(settings: &Settings) -> Self {
        Self {
            host: settings.server.host.clone(),
            port: settings.server.port,
            public_url: Some(settings.server.public_url.clone()).filter(|url| !url.is_empty()),
            data_dir: Some(PathBuf::from(&settings.data_dir))
                .filter(|path| !path.as_os_str().is_empty()),
            sandbox_api_key: settings.sandbox.api_key.expose().to_owned(),
            webhook: (!settings.sandbox.webhook_url.is_empty()).then(|| WebhookTarget {
                url: settings.sandbox.webhook_url.clone(),
                secret: settings.sandbox.webhook_secret.expose().to_owned(),
            }),
            kavenegar_api_key: settings.kavenegar.api_key.expose().to_owned(),
            bitpay_api_key: settings.bitpay.api_key.expose().to_owned(),
            vendors: settings.vendors.clone(),
            smtp_port: settings.smtp.port,
            checkout_api_key: settings.checkout.api_key.expose().to_owned(),
            openai_api_key: settings.openai.api_key.expose().to_owned(),
            anthropic_api_key: settings.anthropic.api_key.expose().to_owned(),
            talkbot_api_key: settings.talkbot.api_key.expose().to_owned(),
        }
    }
}
