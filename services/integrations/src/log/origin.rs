//! From where a call came, for every row that is written while it is answered.

use std::net::IpAddr;

tokio::task_local! {
    static CURRENT: Origin;
}

/// The route and the address of the request that is being answered; nothing in jobs and consumers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Origin {
    /// The route's pattern or path, without a final slash.
    pub(crate) endpoint: String,
    /// The client's address.
    pub(crate) ip: Option<IpAddr>,
}

impl Origin {
    /// Of the request that is being answered.
    pub(crate) fn current() -> Self {
        CURRENT.try_with(Self::clone).unwrap_or_default()
    }

    /// Runs `work` as an answer to a request from here.
    pub(crate) async fn scope<F: Future>(self, work: F) -> F::Output {
        CURRENT.scope(self, work).await
    }
}
