//! The account's security in a real browser: two-step login, recovery codes, sessions, the challenge.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::time::Duration;

use flows::Stage;
use flows::browser::Browser;
use launcher::demo::inbox;
use launcher::install::Program;
use serde_json::{Value, json};
use tokio::task::JoinSet;

/// Chromium, or nothing on a machine of a person who has none.
fn chromium() -> Option<PathBuf> {
    let found = Program::Chromium.find();
    assert!(
        found.is_some() || std::env::var_os("CI").is_none(),
        "Chromium is missing; apt-get install chromium"
    );
    found
}

/// A number that nobody has used.
fn fresh_phone() -> String {
    let random = uuid::Uuid::now_v7().as_u128() % 10_000_000;
    format!("0935{random:07}")
}

/// Types the number, waits for its code, types it; the next page is whatever comes then.
async fn log_in(stage: &Stage, browser: &mut Browser, phone: &str) {
    let http = &stage.story.http;
    let before = inbox::mark(http, phone).await.unwrap();
    browser
        .open(&format!("{}/login", stage.share.running.url()))
        .await
        .unwrap();
    browser.fill("Phone number", phone).await.unwrap();
    // Between two codes to one number is a pause: the page says so, and the person tries again.
    let answered = "Boolean(field('Code from the SMS') ?? document.querySelector('[role=alert]'))";
    let sent = "Boolean(field('Code from the SMS'))";
    loop {
        browser.press("Send a code").await.unwrap();
        browser.until("an answer", answered).await.unwrap();
        if browser.value(sent).await.unwrap() == true {
            break;
        }
    }
    let message = inbox::wait_new(
        http,
        phone,
        &before,
        flows::PATIENCE,
        "the login code",
        |it| it.code().is_ok_and(|code| code.len() == 6),
    )
    .await
    .unwrap();
    browser
        .fill("Code from the SMS", &message.code().unwrap())
        .await
        .unwrap();
    browser.press("Log in").await.unwrap();
}

/// The code of an application that holds this secret, now.
fn application_code(secret: &str) -> String {
    let secret = totp_rs::Secret::try_from_base32(secret).unwrap();
    totp_rs::Builder::new()
        .with_secret(secret)
        .with_account_name("test".to_owned())
        .build()
        .unwrap()
        .generate_current()
        .to_string()
}

/// Issue 3: an authenticator is bound by its code, a second browser needs the second step, and ends the first one.
#[tokio::test(flavor = "multi_thread")]
async fn a_person_binds_an_authenticator_and_ends_other_sessions() {
    let Some(chromium) = chromium() else { return };
    let stage = Stage::shared().await.unwrap();
    let phone = fresh_phone();
    let mut first = Browser::start(&chromium, "first").await.unwrap();
    log_in(&stage, &mut first, &phone).await;
    first.press("Account and security").await.unwrap();
    first.sees("Where you are logged in").await.unwrap();
    // The access token was in memory alone; the cookie brings another one.
    first
        .open(&format!("{}/account", stage.share.running.url()))
        .await
        .unwrap();
    first.sees("This device").await.unwrap();
    first.press("Set up").await.unwrap();
    let secret = first
        .until(
            "the secret",
            "document.querySelector('.enrol code')?.textContent",
        )
        .await
        .unwrap();
    let drawn = first
        .value("document.querySelector('svg.qr path').getAttribute('d').length")
        .await
        .unwrap();
    assert!(drawn.as_u64().unwrap() > 1_000, "no QR code: {drawn}");
    let secret = secret.as_str().unwrap().replace(' ', "");
    first
        .fill("First code of the app", &application_code(&secret))
        .await
        .unwrap();
    first.press("Turn on").await.unwrap();
    let codes = first
        .until(
            "the recovery codes",
            "(() => { const list = [...document.querySelectorAll('.codes li')].map((item) => item.textContent); \
             return list.length > 0 && list; })()",
        )
        .await
        .unwrap();
    let codes: Vec<&str> = codes
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    assert_eq!(codes.len(), 10);
    first.press("I have kept them").await.unwrap();
    first.sees("10 recovery codes are left.").await.unwrap();

    let mut second = Browser::start(&chromium, "second").await.unwrap();
    log_in(&stage, &mut second, &phone).await;
    second.press("Use a recovery code").await.unwrap();
    second.fill("Recovery code", codes[0]).await.unwrap();
    second.press("Log in").await.unwrap();
    second.press("Account and security").await.unwrap();
    second.sees("9 recovery codes are left.").await.unwrap();
    second.press("End all others").await.unwrap();
    second
        .until(
            "one session",
            "document.querySelectorAll('.rows li').length === 1",
        )
        .await
        .unwrap();
    first
        .open(&format!("{}/account", stage.share.running.url()))
        .await
        .unwrap();
    first.sees("Staff login").await.unwrap();
    first.close().await.unwrap();
    second.close().await.unwrap();
}

/// Issue 3: in challenge mode a browser answers the 428 by itself, and the person gets the code.
#[tokio::test(flavor = "multi_thread")]
async fn a_browser_solves_the_challenge_of_the_code_routes() {
    let Some(chromium) = chromium() else { return };
    let stage = Stage::alone().await.unwrap();
    let http = &stage.story.http;
    let admin = stage.token("admin").await.unwrap();
    let switch = "/api/admin/auth-otp/shield/switches/challenge/";
    let put = http
        .call(reqwest::Method::PUT, switch)
        .bearer(&admin)
        .json(&json!({"reason": "a test of the browser", "seconds": 300}));
    let put = put.send().await.unwrap();
    assert!([200, 201].contains(&put.status), "{}", put.short());
    let solved = solves(&stage, &chromium).await;
    let lifted = http
        .call(reqwest::Method::DELETE, switch)
        .bearer(&admin)
        .send()
        .await
        .unwrap();
    assert!([200, 204].contains(&lifted.status), "{}", lifted.short());
    assert!(
        solved.unwrap(),
        "the page was never asked to solve anything"
    );
}

/// Whether the page of somebody who logs in in challenge mode was refused first and got in then. A few calls a minute are
/// let in without an answer; others take those places meanwhile.
async fn solves(stage: &Stage, chromium: &Path) -> anyhow::Result<bool> {
    let http = stage.story.http.clone();
    // Ends with this function, however that ends.
    let mut crowd = JoinSet::<()>::new();
    crowd.spawn(async move {
        loop {
            let call = http.post("/api/auth/otp/request/").json(&json!({}));
            let _ = call.send_once().await;
            // Well below the gateway's limit of this address, well above the places of a minute.
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    });
    let calls = "performance.getEntriesByType('resource')\
        .filter((entry) => entry.name.includes('/api/auth/otp/')).length";
    let mut solved = false;
    for _ in 0..5 {
        let mut browser = Browser::start(chromium, "challenged").await?;
        log_in(stage, &mut browser, &fresh_phone()).await;
        browser.sees("Account and security").await?;
        // Asking for the code and trying it are two; each refusal is one more.
        solved = browser.value(calls).await?.as_u64() > Some(2);
        browser.close().await?;
        if solved {
            break;
        }
    }
    Ok(solved)
}
