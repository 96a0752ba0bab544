//! What a case file may say. Unknown members are refused, so that a misspelt demand is not a demand less.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::Value;

/// One file: one contract, or several that are one story.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// `A01`, `Y05` …
    pub contracts: Vec<String>,
    pub title: String,
    /// Names of phone numbers that nobody has used: `${name}` is `0912…`, `${name.e164}` is `+98912…`.
    #[serde(default)]
    pub fresh: Vec<String>,
    /// Why the contract, or a part of it, cannot be seen through the gateway, and which test holds that.
    #[serde(default)]
    pub elsewhere: Vec<Elsewhere>,
    #[serde(default)]
    pub steps: Vec<Step>,
    /// Where the case was read from, for messages.
    #[serde(skip)]
    pub path: PathBuf,
}

/// A part of a contract that no call through the gateway shows.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Elsewhere {
    pub why: String,
    /// The name of the test function that holds it.
    pub test: String,
}

/// One call with its answer, or one message that must have arrived.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    pub name: String,
    /// `POST /api/otp/send/`.
    #[serde(default)]
    pub call: Option<String>,
    /// A demo person whose access token goes along.
    #[serde(default, rename = "as")]
    pub person: Option<String>,
    /// Any other token.
    #[serde(default)]
    pub bearer: Option<String>,
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    #[serde(default)]
    pub json: Option<Value>,
    #[serde(default)]
    pub form: Option<BTreeMap<String, String>>,
    /// Exactly these bytes, with `Content-Type: application/json` unless a header says otherwise.
    #[serde(default)]
    pub raw: Option<String>,
    #[serde(default)]
    pub file: Option<FilePart>,
    /// Signs the body that is sent.
    #[serde(default)]
    pub sign: Option<Sign>,
    /// The call is made so often; every answer must be as expected.
    #[serde(default = "once")]
    pub times: u32,
    /// What follows by events: the call is repeated until the answer is as expected.
    #[serde(default)]
    pub eventually: bool,
    #[serde(default)]
    pub inbox: Option<Inbox>,
    #[serde(default)]
    pub expect: Option<Expect>,
}

const fn once() -> u32 {
    1
}

/// A file of a multipart body; the members of `form` go along as its fields.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FilePart {
    pub field: String,
    pub name: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub text: String,
}

/// `header` gets the lower-case hex HMAC-SHA256 of the body under `secret`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sign {
    pub header: String,
    pub secret: String,
}

/// A message in the development inbox that no earlier step of this case has read.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inbox {
    pub to: String,
    /// A regular expression that the text must match; its named groups become variables.
    pub like: String,
}

/// What the answer must be.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    pub status: u16,
    /// The JSON body, see [`crate::expect`].
    #[serde(default)]
    pub body: Option<Value>,
    /// A regular expression for a body that is no JSON.
    #[serde(default)]
    pub text: Option<String>,
    /// The body is empty.
    #[serde(default)]
    pub empty: bool,
    /// Headers; a value is matched as a text of the body is, `<absent>` forbids the header.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Variables for later steps: name to dotted path in the body, or `header:Name`.
    #[serde(default)]
    pub save: BTreeMap<String, String>,
}

/// The folder of all case files.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("cases")
}

/// The cases of one service, by file name.
///
/// # Errors
/// When a file cannot be read, is not of this form, or demands nothing.
pub fn of_service(service: &str) -> Result<Vec<Case>> {
    let folder = folder().join(service);
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "yaml")
        {
            paths.push(path);
        }
    }
    paths.sort();
    paths.into_iter().map(read).collect()
}

/// The services that have cases.
///
/// # Errors
/// When the folder cannot be read.
pub fn services() -> Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder())? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    found.sort();
    Ok(found)
}

fn read(path: PathBuf) -> Result<Case> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(&path).with_context(|| name.clone())?;
    let mut case: Case = serde_yaml_ng::from_str(&text).with_context(|| name.clone())?;
    ensure!(!case.contracts.is_empty(), "{name} names no contract");
    ensure!(
        !case.steps.is_empty() || !case.elsewhere.is_empty(),
        "{name} has neither steps nor a place where the contract is held"
    );
    for step in &case.steps {
        let kinds = u8::from(step.call.is_some()) + u8::from(step.inbox.is_some());
        ensure!(
            kinds == 1,
            "{name}, step `{}`: one of call and inbox",
            step.name
        );
        ensure!(
            step.call.is_none() || step.expect.is_some(),
            "{name}, step `{}`: a call expects an answer",
            step.name
        );
    }
    case.path = path;
    Ok(case)
}
