//! The story of one clinic day, told over HTTP and WebSocket through the gateway alone. Every
//! answer is checked: status, keys, literal texts. The first mismatch ends the story.
//!
//! It can be told again and again on a used platform: the patient of each telling is new.

mod answer;
pub mod http;
pub mod inbox;
pub mod session;
pub mod socket;
mod steps;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use futures_util::future::BoxFuture;

use crate::layout::Layout;
use crate::services::GATEWAY_PORT;
use crate::state::RunState;
use crate::ui;
use http::Http;
use session::Sessions;
pub use steps::{
    Invoice, Keys, Patient, create_invoice, exam_type, pay_invoice, pay_on_hosted_page,
    portal_login, register_patient, sample_report, upload_report, wait_keys, wait_paid,
};

/// How the story is told.
pub struct Options {
    /// The gateway: `http://localhost:8080`.
    pub url: String,
    /// Where sessions of the demo people are kept between tellings.
    pub sessions: PathBuf,
    /// How long something that happens by events may take.
    pub patience: Duration,
    /// Called before each step; tests kill processes here.
    pub before_step: Option<BeforeStep>,
}

/// What a test does before a step.
pub type BeforeStep = Arc<dyn Fn(u8) -> BoxFuture<'static, ()> + Send + Sync>;

/// What the steps share.
pub struct Story {
    pub http: Http,
    pub sessions: Sessions,
    pub patience: Duration,
    before_step: Option<BeforeStep>,
}

impl Story {
    /// A story on the platform of `options`.
    pub fn new(options: &Options) -> Result<Self> {
        let http = Http::new(&options.url)?.patient_for(options.patience);
        Ok(Self {
            sessions: Sessions::new(&http, options.sessions.clone(), options.patience)?,
            http,
            patience: options.patience,
            before_step: options.before_step.clone(),
        })
    }

    /// The access token of a demo person (`doctor`).
    pub async fn token(&self, who: &str) -> Result<String> {
        self.sessions
            .access(crate::screen::phone_of(who))
            .await
            .with_context(|| format!("the {who} could not log in"))
    }

    /// Asks until the answer holds, for things that follow by events.
    pub async fn eventually<T>(
        &self,
        what: &str,
        mut ask: impl AsyncFnMut() -> Result<Option<T>>,
    ) -> Result<T> {
        let deadline = Instant::now() + self.patience;
        loop {
            if let Some(found) = ask().await? {
                return Ok(found);
            }
            anyhow::ensure!(
                Instant::now() < deadline,
                "{what} has not happened within {} s",
                self.patience.as_secs()
            );
            tokio::time::sleep(Duration::from_millis(150)).await;
        }
    }

    /// Prints what came back.
    pub fn tell(&self, text: impl AsRef<str>) {
        ui::line(format!("      {}", text.as_ref()));
    }
}

/// `tabib demo`: tells the story on the running platform.
pub async fn tell(layout: &Layout, url: Option<String>) -> Result<()> {
    let url = match url {
        Some(url) => url,
        None => running_gateway(layout)?,
    };
    layout.create_data()?;
    story(&Options {
        url,
        sessions: layout.data.join("demo-sessions"),
        patience: Duration::from_secs(60),
        before_step: None,
    })
    .await
}

/// The gateway of the running platform.
fn running_gateway(layout: &Layout) -> Result<String> {
    let port = RunState::read(&layout.data)
        .filter(|state| state.launcher.alive())
        .map(|state| state.ports.gateway);
    let port = match port {
        Some(port) => port,
        None if !crate::ports::is_free(GATEWAY_PORT) => GATEWAY_PORT,
        None => anyhow::bail!("Tabib does not run here; start it with `make run`, or give --url"),
    };
    Ok(format!("http://localhost:{port}"))
}

/// Tells the ten steps in order.
///
/// # Errors
/// At the first answer that is not as the contracts say; the message names step, call and both
/// sides.
pub async fn story(options: &Options) -> Result<()> {
    let started = Instant::now();
    ui::line(format!("One clinic day at {}\n", options.url));
    let story = Story::new(options)?;
    steps::all(&story).await?;
    ui::line(format!(
        "\nAll ten steps went as the contracts say, in {}.",
        ui::duration(started.elapsed())
    ));
    Ok(())
}
