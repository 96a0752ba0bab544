//! What happens outside of requests: the first start, sample data, and the operator's commands.

mod command;
mod demo;
mod first;

pub use command::command;
pub use demo::{ORGANIZATION as DEMO_ORGANIZATION, WORKSPACE as DEMO_WORKSPACE};
pub use first::first_start;

use crate::state::AppState;

/// Puts the named sample data in.
///
/// # Errors
/// When there is no such data, or the database refuses.
pub async fn seed(state: &AppState, name: &str) -> anyhow::Result<()> {
    anyhow::ensure!(
        name == "demo",
        "auth-otp has the seed \"demo\" only, not {name:?}"
    );
    anyhow::ensure!(
        !state.settings.environment.is_production(),
        "sample data never goes into production"
    );
    first_start(state).await?;
    demo::seed(state).await
}
