//! Plays cases through the gateway of the platform that the tests share.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use flows::{PATIENCE, Stage};
use futures_util::StreamExt;
use hmac::{Hmac, KeyInit, Mac};
use launcher::demo::http::{Answer, Call, File, Http, find};
use launcher::demo::inbox;
use regex::Regex;
use reqwest::Method;
use serde_json::Value;
use sha2::Sha256;

use crate::case::{self, Case, Expect, Inbox, Step};
use crate::expect::{differences, text_matches, without_problem};
use crate::fill::Variables;

/// How many cases are played at once.
const AT_ONCE: usize = 3;

/// Plays every case of a service; `CONTRACT=A07` plays those of one contract.
///
/// # Errors
/// Tells every case that did not go as written, with the step, the call, each difference and the answer.
pub async fn replay(service: &str) -> Result<()> {
    let only = std::env::var("CONTRACT").ok();
    let cases: Vec<Case> = case::of_service(service)?
        .into_iter()
        .filter(|case| match &only {
            Some(only) => case.contracts.iter().any(|id| id == only),
            None => true,
        })
        .filter(|case| !case.steps.is_empty())
        .collect();
    let stage = Stage::shared().await?;
    let failures: Vec<String> = futures_util::stream::iter(&cases)
        .map(async |case| play(&stage, case).await.err().map(|error| (case, error)))
        .buffer_unordered(AT_ONCE)
        .filter_map(|failure| std::future::ready(failure.map(|(case, error)| told(case, &error))))
        .collect()
        .await;
    ensure!(
        failures.is_empty(),
        "{} of {} cases of {service} are not as the contract says:\n\n{}",
        failures.len(),
        cases.len(),
        failures.join("\n")
    );
    Ok(())
}

fn told(case: &Case, error: &anyhow::Error) -> String {
    let file = case.path.file_name().unwrap_or_default().to_string_lossy();
    format!(
        "── {} {file}: {}\n{error:#}\n",
        case.contracts.join(" "),
        case.title
    )
}

/// One case while it is played.
struct Play<'a> {
    stage: &'a Stage,
    http: &'a Http,
    variables: Variables,
    /// Messages that were there before the case began or that a step has read.
    read: Vec<String>,
}

async fn play(stage: &Stage, case: &Case) -> Result<()> {
    let mut variables = Variables::default();
    variables.set("base", stage.story.http.base());
    variables.set("webhook_secret", stage.secret("payment_status_webhook")?);
    for (who, phone) in launcher::screen::PEOPLE {
        variables.set(format!("phone.{who}"), phone);
    }
    for name in &case.fresh {
        variables.fresh_phone(name);
    }
    let mut play = Play {
        stage,
        http: &stage.story.http,
        variables,
        read: Vec::new(),
    };
    for step in &case.steps {
        if let Some(Inbox { to, .. }) = &step.inbox
            && let Ok(to) = play.variables.text(to)
        {
            play.read.extend(inbox::mark(play.http, &to).await?);
        }
    }
    for (index, step) in case.steps.iter().enumerate() {
        let done = match &step.inbox {
            Some(wanted) => play.receive(wanted).await,
            None => play.call(step).await,
        };
        done.with_context(|| format!("step {} `{}`", index + 1, step.name))?;
    }
    Ok(())
}

impl Play<'_> {
    async fn call(&mut self, step: &Step) -> Result<()> {
        let expect = step.expect.as_ref().context("nothing is expected")?;
        if step.eventually {
            let deadline = Instant::now() + PATIENCE;
            loop {
                let answer = self.request(step).await?;
                match self.check(expect, &answer) {
                    Ok(()) => return self.save(expect, &answer),
                    Err(error) if Instant::now() >= deadline => return Err(error),
                    Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
                }
            }
        }
        for _ in 0..step.times {
            let answer = self.request(step).await?;
            self.check(expect, &answer)?;
            self.save(expect, &answer)?;
        }
        Ok(())
    }

    async fn request(&self, step: &Step) -> Result<Answer> {
        let line = self
            .variables
            .text(step.call.as_deref().unwrap_or_default())?;
        let (method, path) = line.split_once(' ').context("a call is `METHOD /path/`")?;
        let method: Method = method.parse()?;
        let mut call = self.http.call(method, path);
        if let Some(person) = &step.person {
            call = call.bearer(&self.stage.token(person).await?);
        }
        if let Some(token) = &step.bearer {
            call = call.bearer(&self.variables.text(token)?);
        }
        for (name, value) in &step.headers {
            call = call.header(name, &self.variables.text(value)?);
        }
        self.body(step, call)?.send().await
    }

    fn body(&self, step: &Step, call: Call) -> Result<Call> {
        let mut call = call;
        let bytes = match (&step.json, &step.raw) {
            (Some(json), None) => Some(serde_json::to_vec(&self.variables.json(json)?)?),
            (None, Some(raw)) => Some(self.variables.text(raw)?.into_bytes()),
            (None, None) => None,
            _ => bail!("one of json and raw"),
        };
        if let Some(sign) = &step.sign {
            let secret = self.variables.text(&sign.secret)?;
            let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes())?;
            mac.update(bytes.as_deref().unwrap_or_default());
            call = call.header(&sign.header, &hex::encode(mac.finalize().into_bytes()));
        }
        if let Some(bytes) = bytes {
            return Ok(call.raw_json(&bytes));
        }
        let mut fields = Vec::new();
        for (name, value) in step.form.iter().flatten() {
            fields.push((name.as_str(), self.variables.text(value)?));
        }
        let fields: Vec<(&str, &str)> = fields
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        Ok(match &step.file {
            Some(file) => call.multipart(
                &fields,
                &File {
                    field: &file.field,
                    name: &file.name,
                    kind: &file.kind,
                    bytes: self.variables.text(&file.text)?.as_bytes(),
                },
            ),
            None if step.form.is_some() => call.form(&fields),
            None => call,
        })
    }

    fn check(&self, expect: &Expect, answer: &Answer) -> Result<()> {
        let mut found = Vec::new();
        if answer.status != expect.status {
            found.push(format!("status: {} ≠ {}", answer.status, expect.status));
        }
        if let Some(body) = &expect.body {
            let wanted = self.variables.json(body)?;
            let json = match answer.status {
                400.. => without_problem(&wanted, &answer.json),
                _ => answer.json.clone(),
            };
            found.extend(differences(&wanted, &json));
        }
        if let Some(text) = &expect.text {
            let pattern = Regex::new(&self.variables.text(text)?)?;
            if !pattern.is_match(&String::from_utf8_lossy(&answer.body)) {
                found.push(format!("body: is not like `{text}`"));
            }
        }
        if expect.empty && !answer.body.is_empty() {
            found.push("body: is not empty".to_owned());
        }
        for (name, wanted) in &expect.headers {
            let wanted = self.variables.text(wanted)?;
            let value = answer.header(name);
            let present = answer.headers.contains_key(name.as_str());
            let holds = match wanted.as_str() {
                "<absent>" => !present,
                wanted => present && text_matches(wanted, &value),
            };
            if !holds {
                found.push(format!("header {name}: `{value}` ≠ `{wanted}`"));
            }
        }
        if found.is_empty() {
            return Ok(());
        }
        let mut text = answer.call.clone();
        for difference in &found {
            let _ = write!(text, "\n     {difference}");
        }
        let _ = write!(text, "\n     answer: {} {}", answer.status, answer.short());
        bail!(text)
    }

    fn save(&mut self, expect: &Expect, answer: &Answer) -> Result<()> {
        for (name, path) in &expect.save {
            let value = match path.strip_prefix("header:") {
                Some(header) => Value::String(answer.header(header)),
                None => find(&answer.json, path)
                    .with_context(|| format!("{}: there is no `{path}`", answer.call))?
                    .clone(),
            };
            self.variables.set(name, value);
        }
        Ok(())
    }

    async fn receive(&mut self, wanted: &Inbox) -> Result<()> {
        let to = self.variables.text(&wanted.to)?;
        let pattern = Regex::new(&self.variables.text(&wanted.like)?)?;
        let message = inbox::wait_new(
            self.http,
            &to,
            &self.read,
            PATIENCE,
            &format!("a message like `{pattern}`"),
            |message| pattern.is_match(&message.text),
        )
        .await?;
        self.read.push(message.id.clone());
        if let Some(groups) = pattern.captures(&message.text) {
            for name in pattern.capture_names().flatten() {
                if let Some(group) = groups.name(name) {
                    self.variables.set(name, group.as_str());
                }
            }
        }
        Ok(())
    }
}
