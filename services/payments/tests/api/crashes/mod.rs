//! Q-M4: the real program is killed, at every named point of the money paths and at random moments under load; whatever was
//! at hand is finished afterwards, once.

mod points;
mod starts;
mod storm;
mod together;
mod victim;

use std::{collections::BTreeSet, path::Path};

use uuid::Uuid;

use crate::support::Clinic;

/// Nothing moved twice, nothing is left half done, and what was written before is as it was.
async fn sound(clinic: &Clinic, before: &(Uuid, String), point: &str) {
    assert_eq!(clinic.differences().await, [], "{point}");
    assert_eq!(
        clinic.fingerprint(before.0).await,
        before.1,
        "{point}: INV3"
    );
}

/// The points that the sources under a folder name.
fn named_under(folder: &Path) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            names.append(&mut named_under(&path));
        } else if path.extension().is_some_and(|end| end == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let calls = text.split("crash_point!(\"").skip(1);
            names.extend(calls.map(|rest| rest.split('"').next().unwrap().to_owned()));
        }
    }
    names
}

/// A point that is added to the sources without a test fails here.
#[test]
fn q_m4_every_crash_point_of_the_source_is_driven() {
    let named = named_under(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    let driven: Vec<&str> = [
        &points::DRIVEN[..],
        &starts::DRIVEN[..],
        &together::DRIVEN[..],
    ]
    .concat()
    .concat();
    let driven_once: BTreeSet<String> = driven.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(
        driven_once.len(),
        driven.len(),
        "each is driven by one test"
    );
    assert_eq!(named, driven_once);
    assert!(named.len() >= 26);
}
