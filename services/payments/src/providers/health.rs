//! Which providers answer at present.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use common_types::Money;
use parking_lot::Mutex;

use super::{
    Asked, GivesBack, ListsSettlements, Opened, Order, PaymentProvider, ProviderError, Report,
};

/// Unanswered calls in a row after which a provider counts as ill.
const PATIENCE: u32 = 3;
/// How long an ill provider is the last choice; then it is tried like any other.
const REST: Duration = Duration::from_secs(30);

#[derive(Debug, Default)]
struct Pulse {
    unanswered: u32,
    last: Option<Instant>,
}

/// A provider whose answers are counted. A refusal is an answer.
#[derive(Debug)]
pub(super) struct Watched {
    provider: Arc<dyn PaymentProvider>,
    pulse: Mutex<Pulse>,
}

impl Watched {
    pub(super) fn new(provider: Arc<dyn PaymentProvider>) -> Self {
        Self {
            provider,
            pulse: Mutex::default(),
        }
    }

    /// Whether it left fewer than three calls in a row unanswered, or has rested since.
    pub(super) fn is_well(&self) -> bool {
        let pulse = self.pulse.lock();
        pulse.unanswered < PATIENCE || pulse.last.is_none_or(|last| last.elapsed() >= REST)
    }

    fn note<T>(&self, outcome: Result<T, ProviderError>) -> Result<T, ProviderError> {
        let mut pulse = self.pulse.lock();
        match &outcome {
            Err(ProviderError::Unknown(_)) => {
                pulse.unanswered = pulse.unanswered.saturating_add(1);
                pulse.last = Some(Instant::now());
            }
            _ => *pulse = Pulse::default(),
        }
        drop(pulse);
        metrics::gauge!("payments_provider_well", "provider" => self.provider.slug())
            .set(f64::from(u8::from(self.is_well())));
        outcome
    }
}

#[async_trait]
impl PaymentProvider for Watched {
    fn slug(&self) -> &'static str {
        self.provider.slug()
    }

    fn accepts(&self, price: Money) -> bool {
        self.provider.accepts(price)
    }

    async fn open(&self, order: &Order) -> Result<Opened, ProviderError> {
        self.note(self.provider.open(order).await)
    }

    async fn status(&self, asked: Asked<'_>) -> Result<Report, ProviderError> {
        self.note(self.provider.status(asked).await)
    }

    async fn find(&self, order: &Order) -> Result<Option<Opened>, ProviderError> {
        self.note(self.provider.find(order).await)
    }

    async fn close(&self, asked: Asked<'_>) -> Result<(), ProviderError> {
        self.note(self.provider.close(asked).await)
    }

    fn refunds(&self) -> Option<&dyn GivesBack> {
        self.provider.refunds()
    }

    fn settlements(&self) -> Option<&dyn ListsSettlements> {
        self.provider.settlements()
    }
}
