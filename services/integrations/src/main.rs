//! `tabib-integrations serve | worker | migrate | openapi | check-config | dead-letters`.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> std::process::ExitCode {
    // Its future is large: it holds every route.
    Box::pin(service_http::cli::main::<integrations::Integrations>()).await
}
