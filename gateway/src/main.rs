//! `tabib-gateway`.

use std::process::ExitCode;

/// Measured against the system's: see docs/decisions/0005-gateway-fast-path.md.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    gateway::cli::main().await
}
