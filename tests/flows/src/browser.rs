//! A headless Chromium that a test drives over its debugging protocol: enough to fill in forms by their labels, press what
//! a person would press, and read what the page says.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::process::{Child, Command};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::PATIENCE;

/// What every script below can use: the element that a person sees under a name.
const HELPERS: &str = r#"
const shown = (element) => element.getClientRects().length > 0;
const names = (element) => (element.getAttribute("aria-label") ?? element.textContent).trim();
const scope = document.querySelector("dialog[open]") ?? document;
const field = (name) => [...scope.querySelectorAll("label")].filter(shown)
  .filter((label) => label.textContent.trim() === name).map((label) => document.getElementById(label.htmlFor))[0];
const button = (name) => [...scope.querySelectorAll("button, a")].filter(shown)
  .filter((element) => names(element) === name && !element.disabled)[0];
"#;

/// One browser with a profile of its own: no cookies of another one.
pub struct Browser {
    child: Child,
    profile: PathBuf,
    page: WebSocketStream<MaybeTlsStream<tokio::net::TcpStream>>,
    next: u64,
}

impl Browser {
    /// Starts Chromium in English; the profile is a new folder named after `name`.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn start(chromium: &std::path::Path, name: &str) -> Result<Self> {
        let profile =
            std::env::temp_dir().join(format!("tabib-browser-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&profile);
        let child = Command::new(chromium)
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-sync",
                "--disable-component-update",
                "--disable-dev-shm-usage",
                "--remote-debugging-port=0",
                "--accept-lang=en",
            ])
            .arg(format!("--user-data-dir={}", profile.display()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("Chromium does not start")?;
        let port = port_of(&profile).await?;
        let answer = reqwest::Client::builder()
            .no_proxy()
            .build()?
            .put(format!("http://127.0.0.1:{port}/json/new?about:blank"))
            .send()
            .await?;
        let target: Value = serde_json::from_slice(&answer.bytes().await?)?;
        let address = target["webSocketDebuggerUrl"]
            .as_str()
            .context("Chromium names no page")?;
        let (page, _) = connect_async(address).await?;
        Ok(Self {
            child,
            profile,
            page,
            next: 0,
        })
    }

    /// Opens an address.
    ///
    /// # Errors
    /// When the browser cannot.
    pub async fn open(&mut self, url: &str) -> Result<()> {
        let answer = self.send("Page.navigate", json!({"url": url})).await?;
        ensure!(
            answer.get("errorText").is_none(),
            "{url}: {}",
            answer["errorText"]
        );
        Ok(())
    }

    /// What an expression is in the page; a promise is waited for.
    ///
    /// # Errors
    /// When the page throws.
    pub async fn value(&mut self, expression: &str) -> Result<Value> {
        let expression = format!("(() => {{ {HELPERS} return {expression}; }})()");
        let parameters =
            json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let answer = self.send("Runtime.evaluate", parameters).await?;
        if let Some(thrown) = answer.get("exceptionDetails") {
            bail!("the page threw {thrown}");
        }
        Ok(answer["result"]["value"].clone())
    }

    /// Waits until an expression is true of the page, and answers it.
    ///
    /// # Errors
    /// When it is not within the tests' patience; the page's text is shown.
    pub async fn until(&mut self, what: &str, expression: &str) -> Result<Value> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            // A page that is just being left has no answer.
            let found = self.value(expression).await.unwrap_or_default();
            if !matches!(found, Value::Null | Value::Bool(false)) && found != "" {
                return Ok(found);
            }
            if Instant::now() >= deadline {
                let page = self
                    .value("`${location.href}: ${document.body.innerText || document.documentElement.outerHTML}`")
                    .await?;
                bail!("{what} did not appear at {page}");
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Waits until the page says this.
    ///
    /// # Errors
    /// As [`Self::until`].
    pub async fn sees(&mut self, text: &str) -> Result<()> {
        let expression = format!("document.body.innerText.includes({})", json!(text));
        self.until(text, &expression).await.map(drop)
    }

    /// Types into the field of this label.
    ///
    /// # Errors
    /// When there is none.
    pub async fn fill(&mut self, label: &str, text: &str) -> Result<()> {
        let (label, text) = (json!(label), json!(text));
        let there = format!("Boolean(field({label}))");
        self.until(&format!("the field {label}"), &there).await?;
        // React hears of a change only through the setter of the element's own class.
        self.value(&format!(
            "(() => {{ const input = field({label}); \
             Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value').set.call(input, {text}); \
             input.dispatchEvent(new Event('input', {{ bubbles: true }})); return true; }})()"
        ))
        .await
        .map(drop)
    }

    /// Presses the button or link of this name.
    ///
    /// # Errors
    /// When there is none that can be pressed.
    pub async fn press(&mut self, name: &str) -> Result<()> {
        let name = json!(name);
        let there = format!("Boolean(button({name}))");
        self.until(&format!("the button {name}"), &there).await?;
        self.value(&format!("(button({name}).click(), true)"))
            .await
            .map(drop)
    }

    /// Ends the browser and removes its profile.
    ///
    /// # Errors
    /// When it cannot be ended.
    pub async fn close(mut self) -> Result<()> {
        self.child.kill().await?;
        let _ = std::fs::remove_dir_all(&self.profile);
        Ok(())
    }

    async fn send(&mut self, method: &str, parameters: Value) -> Result<Value> {
        self.next += 1;
        let id = self.next;
        let message = json!({"id": id, "method": method, "params": parameters}).to_string();
        self.page.send(Message::text(message)).await?;
        let answer = async {
            while let Some(message) = self.page.next().await {
                let Message::Text(text) = message? else {
                    continue;
                };
                let mut answer: Value = serde_json::from_str(&text)?;
                if answer["id"] == id {
                    if let Some(error) = answer.get("error") {
                        bail!("{method}: {error}");
                    }
                    return Ok(answer["result"].take());
                }
            }
            bail!("{method}: Chromium is gone")
        };
        tokio::time::timeout(PATIENCE, answer)
            .await
            .with_context(|| format!("{method} was not answered"))?
    }
}

/// The port that Chromium has chosen, which it writes into its profile.
async fn port_of(profile: &std::path::Path) -> Result<u16> {
    let file = profile.join("DevToolsActivePort");
    let deadline = Instant::now() + PATIENCE;
    loop {
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        // The second line is written after the first: with it the file is whole.
        let mut lines = text.lines();
        if let (Some(port), Some(_)) = (lines.next(), lines.next()) {
            return Ok(port.parse()?);
        }
        ensure!(
            Instant::now() < deadline,
            "Chromium opens no debugging port"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
