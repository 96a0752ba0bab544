//! What the end-to-end tests share: one platform, started by the first test that needs it, whole
//! and real (PostgreSQL, Redis, a RabbitMQ of its own, sixteen processes), and the people on it.
//!
//! Every test is a process of its own, so the platform is shared through the folder that
//! `TABIB_FLOW_FOLDER` names (`make test` sets it). Tests that break things run alone.

use std::fs::File;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use launcher::demo::{Invoice, Options, Patient, Story};
use launcher::layout::Layout;
use launcher::testing::platform::{Share, lock_file, share};
use launcher::testing::{self, FLOW_FOLDER};
use serde_json::{Value, json};

pub mod browser;
pub mod forge;

/// How long something that happens by events may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A test's place on the platform.
pub struct Stage {
    pub layout: Layout,
    pub share: Share,
    pub story: Story,
    folder: PathBuf,
    _turn: File,
}

impl Stage {
    /// A place beside other tests, for tests that break nothing.
    pub async fn shared() -> Result<Self> {
        Self::enter(false).await
    }

    /// A place alone, for tests that kill and stop things.
    pub async fn alone() -> Result<Self> {
        Self::enter(true).await
    }

    async fn enter(alone: bool) -> Result<Self> {
        let layout = Layout::discover()?;
        let folder = match std::env::var_os(FLOW_FOLDER) {
            Some(folder) => PathBuf::from(folder),
            None => testing::folder(&layout, "flow")?,
        };
        let share = share(&layout, &folder).await?;
        let turn = lock_file(&folder, "turn.lock")?;
        let turn = tokio::task::spawn_blocking(move || {
            if alone {
                turn.lock()?;
            } else {
                turn.lock_shared()?;
            }
            Ok::<_, std::io::Error>(turn)
        })
        .await??;
        let story = Story::new(&options(&share, &folder))?;
        Ok(Self {
            layout,
            share,
            story,
            folder,
            _turn: turn,
        })
    }

    /// How the story is told on this platform.
    pub fn options(&self) -> Options {
        options(&self.share, &self.folder)
    }

    /// The access token of a demo person.
    pub async fn token(&self, who: &str) -> Result<String> {
        self.story.token(who).await
    }

    /// The address of a service's own port, past the gateway.
    pub fn own_port(&self, service: &str) -> String {
        format!("http://127.0.0.1:{}", self.share.running.ports.of(service))
    }

    /// A secret of this platform, as its launcher made it.
    pub fn secret(&self, name: &str) -> Result<String> {
        let text = std::fs::read_to_string(self.share.running.data.join("secrets.toml"))?;
        text.lines()
            .find_map(|line| line.strip_prefix(&format!("{name} = ")))
            .map(|value| value.trim_matches('"').to_owned())
            .with_context(|| format!("the platform has no secret {name}"))
    }

    /// A new patient with an invoice that nobody has paid.
    pub async fn unpaid_invoice(&self) -> Result<(Patient, Invoice)> {
        let secretary = self.token("secretary").await?;
        let patient = launcher::demo::register_patient(&self.story, &secretary).await?;
        let exam = launcher::demo::exam_type(&self.story, &secretary).await?;
        let invoice =
            launcher::demo::create_invoice(&self.story, &secretary, &patient, &exam).await?;
        Ok((patient, invoice))
    }

    /// A new patient whose invoice the accountant has taken in cash.
    pub async fn paid_patient(&self) -> Result<(Patient, Invoice)> {
        let (patient, invoice) = self.unpaid_invoice().await?;
        let accountant = self.token("accountant").await?;
        self.story
            .http
            .post("/api/payments/")
            .bearer(&accountant)
            .header("Idempotency-Key", &uuid::Uuid::now_v7().to_string())
            .json(&cash(&invoice))
            .send()
            .await?
            .expect(201)?
            .is("status", "completed")?;
        Ok((patient, invoice))
    }

    /// The keys that were sent to a patient.
    pub async fn keys_of(&self, patient: &Patient) -> Result<launcher::demo::Keys> {
        launcher::demo::wait_keys(&self.story, &patient.phone, "sms").await
    }
}

fn cash(invoice: &Invoice) -> Value {
    json!({
        "invoice": invoice.id,
        "amount": invoice.total,
        "payment_method": "cash",
        "payment_date": chrono::Utc::now().to_rfc3339(),
    })
}

fn options(share: &Share, folder: &std::path::Path) -> Options {
    Options {
        url: share.running.url(),
        sessions: folder.join("sessions"),
        patience: PATIENCE,
        before_step: None,
    }
}
