//! The portal service: `serve`, `worker`, `migrate`, `openapi`, `check-config`, `dead-letters`, `seed`, `audit`.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> std::process::ExitCode {
    Box::pin(service_http::cli::main::<portal::Portal>()).await
}
