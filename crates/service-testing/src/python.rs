//! A Python that has the vendors' own packages, for tests that let them speak to us.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::Command,
};

/// Which packages, in which versions.
const REQUIREMENTS: &str = include_str!("../vendor-sdks.txt");

/// The build folder: the folder above `debug/deps` or `release/deps` of this test.
fn target() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let profile = test
        .ancestors()
        .find(|folder| folder.join(".fingerprint").is_dir());
    profile.and_then(Path::parent).unwrap().to_owned()
}

fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| {
        panic!("{command:?}: {error}; `tabib prepare-tests` installs what tests need")
    });
    assert!(
        output.status.success(),
        "{command:?} failed: {}\n{}\n`tabib prepare-tests` installs what tests need",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
}

/// The interpreter of a virtual environment in the build folder with every package of `vendor-sdks.txt`. Made once, by
/// whichever test process comes first.
pub fn vendor_python() -> PathBuf {
    let fingerprint = fnv(REQUIREMENTS.as_bytes());
    let folder = target().join(format!("vendor-sdks-{fingerprint:08x}"));
    let python = folder.join("bin/python");
    let done = folder.join("complete");
    if done.is_file() {
        return python;
    }
    let lock = File::create(folder.with_extension("lock")).unwrap();
    lock.lock().unwrap();
    if !done.is_file() {
        run(Command::new("python3")
            .args(["-m", "venv", "--clear"])
            .arg(&folder));
        let list = folder.join("requirements.txt");
        std::fs::write(&list, REQUIREMENTS).unwrap();
        run(Command::new(&python)
            .args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "-r",
            ])
            .arg(&list));
        std::fs::write(&done, "").unwrap();
    }
    python
}

/// Runs a script with [`vendor_python`] and answers what it printed.
///
/// # Panics
/// When the script fails; its own words are shown.
pub async fn run_vendor_python(script: &str, arguments: &[&str]) -> String {
    let python = tokio::task::spawn_blocking(vendor_python).await.unwrap();
    let output = tokio::process::Command::new(python)
        .arg("-c")
        .arg(script)
        .args(arguments)
        .output()
        .await
        .unwrap();
    assert!(
        output.status.success(),
        "{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// A short name for a list of requirements (FNV-1a, 32 bit).
fn fnv(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
    })
}
