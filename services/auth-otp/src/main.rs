//! `tabib-auth-otp`: serve | worker | migrate | openapi | check-config | dead-letters | seed | keys | api-keys.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> std::process::ExitCode {
    service_http::cli::main::<auth_otp::AuthOtp>().await
}
