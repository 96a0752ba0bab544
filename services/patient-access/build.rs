//! Rebuilds the crate when a migration changes: the embedding macro does not tell cargo.
fn main() {
    println!("cargo:rerun-if-changed=../../migrations/patient-access");
}
