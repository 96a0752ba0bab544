//! Every contract of the replaced systems and every quality requirement of the complete services keeps a test that is
//! named by its id: `a07_…` for A07, `q_a1_…` for Q-A1.
#![allow(clippy::unwrap_used)]

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use contract_tests::case;

/// Contracts with a behaviour of their own, by service. What only describes (A06: a list of features; A11: the names of
/// functions) is held by the tests of its neighbours.
const CONTRACTS: [(&str, &[&str]); 7] = [
    (
        "auth-otp",
        &[
            "a01", "a02", "a03", "a05", "a07", "a08", "a09", "a12", "a13", "a15", "a18", "a19",
            "a20",
        ],
    ),
    (
        "patient-access",
        &["p02", "p03", "p04", "p05", "p06", "p07"],
    ),
    ("payments", &["y01", "y02", "y03", "y06", "y07"]),
    (
        "portal",
        &[
            "r02", "r03", "r04", "r05", "r06", "r07", "r08", "r09", "r10", "r11", "r12", "r13",
            "r14", "r15", "r16", "r18", "r19", "r20", "r21", "r23",
        ],
    ),
    (
        "content",
        &["c01", "c02", "c03", "c04", "c05", "c06", "c07"],
    ),
    (
        "integrations",
        &[
            "i02", "i03", "i04", "i05", "y05", "i06", "i08", "i20", "i21", "i22",
        ],
    ),
    ("chat", &["h01", "h02"]),
];

/// Quality requirements that hold for what stands.
const QUALITIES: [&str; 21] = [
    "q_a1", "q_a2", "q_a3", "q_a4", "q_a5", "q_a6", "q_g1", "q_g2", "q_g3", "q_g4", "q_g5", "q_e1",
    "q_e2", "q_e3", "q_e4", "q_m1", "q_m2", "q_m3", "q_m5", "q_m6", "q_m7",
];

/// The tests of the replaced integrations (wire.md 8.2 and 8.3), each replayed in intent under its name: 13 of its models,
/// 11 of its services, 12 of its views, 8 of its webhooks.
const HELSSA: [&str; 44] = [
    "helssa_provider_creation_and_str",
    "helssa_provider_status_values",
    "helssa_credential_creation",
    "helssa_credential_validity_false_when_inactive_or_expired",
    "helssa_credential_unique_provider_key_environment",
    "helssa_log_creation",
    "helssa_log_five_levels",
    "helssa_webhook_creation_active_by_default",
    "helssa_webhook_endpoint_url_unique",
    "helssa_event_defaults_valid_unprocessed",
    "helssa_event_processing",
    "helssa_rule_defaults_active",
    "helssa_rule_text",
    "helssa_send_otp_success",
    "helssa_send_otp_failure",
    "helssa_send_pattern",
    "helssa_rate_limiting",
    "helssa_generate_text_success",
    "helssa_analyze_medical_text",
    "helssa_default_base_url",
    "helssa_verify_signature_valid",
    "helssa_verify_signature_invalid",
    "helssa_register_webhook",
    "helssa_health_check",
    "helssa_list_providers",
    "helssa_retrieve_provider_by_slug",
    "helssa_filter_providers_by_type",
    "helssa_provider_health_check",
    "helssa_view_send_otp",
    "helssa_view_send_otp_bad_receptor",
    "helssa_view_sms_anonymous",
    "helssa_view_webhook_success",
    "helssa_view_webhook_invalid_signature",
    "helssa_view_webhook_unknown_endpoint",
    "helssa_view_credentials_for_staff_only",
    "helssa_view_rotate_credential",
    "helssa_limiter_allows_three_of_three",
    "helssa_limiter_refuses_the_third_of_two",
    "helssa_signature_valid",
    "helssa_signature_invalid",
    "helssa_signature_missing",
    "helssa_webhook_view_bad_signature",
    "helssa_webhook_view_success_is_processed",
    "helssa_webhook_view_without_payload",
];

/// Contracts that are told as data and played through the gateway, by service.
const PLAYED: [(&str, &[&str]); 8] = [
    (
        "auth-otp",
        &[
            "A01", "A02", "A03", "A04", "A05", "A06", "A07", "A08", "A09", "A10", "A11", "A12",
            "A13", "A14", "A15", "A16", "A17", "A18", "A19", "A20",
        ],
    ),
    (
        "payments",
        &["Y01", "Y02", "Y03", "Y04", "Y05", "Y06", "Y07"],
    ),
    (
        "integrations",
        &[
            "I01", "I02", "I03", "I04", "I05", "I06", "I07", "I08", "I20", "I21", "I22",
        ],
    ),
    ("gateway", &["G01"]),
    (
        "patient-access",
        &["P01", "P02", "P03", "P04", "P05", "P06", "P07", "P08"],
    ),
    (
        "portal",
        &[
            "R01", "R02", "R03", "R04", "R05", "R06", "R07", "R08", "R09", "R10", "R11", "R12",
            "R13", "R14", "R15", "R16", "R17", "R18", "R19", "R20", "R21", "R22", "R23",
        ],
    ),
    (
        "content",
        &["C01", "C02", "C03", "C04", "C05", "C06", "C07"],
    ),
    ("chat", &["H01", "H02"]),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if !path.ends_with("target") && !path.ends_with("node_modules") {
                rust_files(&path, found);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Names of test functions below a folder: those that follow a `#[…test…]` attribute.
fn tests_below(folder: &Path) -> BTreeSet<String> {
    let mut files = Vec::new();
    rust_files(folder, &mut files);
    let mut names = BTreeSet::new();
    for file in files {
        let text = std::fs::read_to_string(file).unwrap();
        let mut is_test = false;
        for line in text.lines().map(str::trim) {
            if line.starts_with("#[") {
                is_test |= line.contains("test") && !line.contains("cfg(");
            } else if let Some((_, rest)) = line.split_once("fn ") {
                if is_test {
                    let name = rest.split(['(', '<']).next().unwrap_or_default();
                    names.insert(name.to_owned());
                }
                is_test = false;
            }
        }
    }
    names
}

/// The contracts a name begins with: `i05` and `y05` of `i05_y05_…`.
fn contracts_of(name: &str) -> impl Iterator<Item = &str> {
    name.split('_').take_while(|part| {
        let digits = part.strip_prefix(|letter: char| letter.is_ascii_lowercase());
        digits.is_some_and(|digits| digits.len() == 2 && digits.parse::<u8>().is_ok())
    })
}

fn missing(wanted: &[&str], tests: &BTreeSet<String>) -> Vec<String> {
    let has = |id: &str| {
        tests.iter().any(|name| {
            name.starts_with(&format!("{id}_")) || contracts_of(name).any(|named| named == id)
        })
    };
    wanted
        .iter()
        .filter(|id| !has(id))
        .map(|id| (*id).to_owned())
        .collect()
}

#[test]
fn every_contract_has_a_test_named_by_its_id() {
    let mut without = BTreeMap::new();
    for (service, ids) in CONTRACTS {
        let missing = missing(ids, &tests_below(&root().join("services").join(service)));
        if !missing.is_empty() {
            without.insert(service, missing);
        }
    }
    assert!(without.is_empty(), "contracts without a test: {without:?}");
}

#[test]
fn every_quality_requirement_has_a_test_named_by_its_id() {
    let mut tests = BTreeSet::new();
    for folder in ["services", "crates", "gateway", "tests"] {
        tests.extend(tests_below(&root().join(folder)));
    }
    let missing = missing(&QUALITIES, &tests);
    assert!(
        missing.is_empty(),
        "requirements without a test: {missing:?}"
    );
}

#[test]
fn every_test_of_the_replaced_integrations_is_replayed_by_name() {
    let tests = tests_below(&root().join("services/integrations/tests"));
    let missing: Vec<&str> = HELSSA
        .into_iter()
        .filter(|name| !tests.contains(*name))
        .collect();
    assert!(missing.is_empty(), "tests without a replay: {missing:?}");
    assert_eq!(HELSSA.into_iter().collect::<BTreeSet<_>>().len(), 44);
}

/// Decision 41: every contract is a data file, or says which test holds it because no call shows it.
#[test]
fn every_contract_has_a_case_as_data() {
    let mut without: Vec<&str> = Vec::new();
    for (service, ids) in PLAYED {
        let told: BTreeSet<String> = case::of_service(service)
            .unwrap()
            .into_iter()
            .flat_map(|case| case.contracts)
            .collect();
        without.extend(ids.iter().copied().filter(|id| !told.contains(*id)));
    }
    assert!(without.is_empty(), "contracts without a case: {without:?}");
}

/// What a case says is held elsewhere is held by a test that exists; every folder of cases is played.
#[test]
fn cases_name_tests_that_exist_and_are_played() {
    let mut tests = BTreeSet::new();
    for folder in ["services", "crates", "gateway", "tests"] {
        tests.extend(tests_below(&root().join(folder)));
    }
    let player = std::fs::read_to_string(root().join("tests/contracts/tests/replay.rs")).unwrap();
    for service in case::services().unwrap() {
        assert!(
            player.contains(&format!("replay(\"{service}\")")),
            "nobody plays the cases of {service}"
        );
        for case in case::of_service(&service).unwrap() {
            for elsewhere in &case.elsewhere {
                assert!(
                    tests.contains(&elsewhere.test),
                    "{}: there is no test {}",
                    case.path.display(),
                    elsewhere.test
                );
            }
        }
    }
}

#[test]
fn a_missing_test_is_found() {
    let tests = BTreeSet::from(["a07_verify".to_owned(), "a070_other".to_owned()]);
    assert_eq!(missing(&["a07", "a08"], &tests), ["a08"]);
    let both = BTreeSet::from(["i05_y05_a_webhook".to_owned()]);
    assert!(missing(&["i05", "y05"], &both).is_empty());
}
