//! The first page in a real browser.
#![allow(clippy::unwrap_used)]

use std::process::Command;
use std::time::Duration;

use flows::Stage;
use launcher::install::Program;

/// Headless Chromium loads the gateway's first page, runs its scripts and shows its text.
#[tokio::test(flavor = "multi_thread")]
async fn the_first_page_loads_in_a_browser() {
    let Some(chromium) = Program::Chromium.find() else {
        // `make test` installs it where it may; a machine without root says so there.
        assert!(
            std::env::var_os("CI").is_none(),
            "Chromium is missing; apt-get install chromium"
        );
        return;
    };
    let stage = Stage::shared().await.unwrap();
    let profile = std::env::temp_dir().join(format!("tabib-chromium-{}", std::process::id()));
    let url = format!("{}/", stage.share.running.url());
    let mut child = Command::new(chromium)
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
        ])
        .args([
            "--no-first-run",
            "--disable-background-networking",
            "--disable-sync",
        ])
        .args(["--disable-component-update", "--disable-dev-shm-usage"])
        .arg(format!("--user-data-dir={}", profile.display()))
        .args(["--virtual-time-budget=10000", "--dump-dom", &url])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let output = child.stdout.take().unwrap();
    let reader = std::thread::spawn(move || std::io::read_to_string(output));
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    while child.try_wait().unwrap().is_none() {
        assert!(
            std::time::Instant::now() < deadline,
            "Chromium has not ended"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let page = reader.join().unwrap().unwrap();
    let _ = std::fs::remove_dir_all(profile);
    assert!(page.contains("<title>"), "no title: {page}");
    let title = page
        .split("<title>")
        .nth(1)
        .unwrap()
        .split('<')
        .next()
        .unwrap();
    assert!(
        title.contains("Tabib") || title.contains("طبیب"),
        "the title is `{title}`"
    );
    // Only the scripts make these: the file itself has an empty body.
    let heading = page
        .split("<h1")
        .nth(1)
        .unwrap_or_else(|| panic!("no heading: {page}"));
    let heading = heading.split("</h1>").next().unwrap();
    assert!(
        heading.contains("Tabib") || heading.contains("طبیب"),
        "the heading is `{heading}`"
    );
    for door in ["href=\"/login\"", "href=\"/patient\""] {
        assert!(page.contains(door), "the page has no door {door}: {page}");
    }
}
