//! The configured providers, and which of them are tried for a price.

use std::{collections::HashMap, sync::Arc};

use common_types::Money;
use service_config::Secret;
use service_http::Stack;

use super::{
    CONNECT, Credential, PaymentProvider, TIMEOUT, health::Watched, medogram, payping, sandbox,
    stripe, wave, zarinpal,
};
use crate::{
    Settings,
    settings::{Route, VendorSettings},
};

/// The configured providers.
#[derive(Clone, Debug)]
pub struct Providers {
    all: Arc<HashMap<&'static str, Arc<Watched>>>,
    /// Slugs of those that start payments, the most wanted first.
    wanted: Arc<[&'static str]>,
    routes: Arc<[Route]>,
}

impl Providers {
    /// Builds the clients. The sandbox does not exist in production.
    ///
    /// # Errors
    /// When an HTTP client cannot be made, a route names a provider that is not enabled, or the
    /// sandbox is asked for in production.
    pub fn new(settings: &Settings, stack: &Stack, return_url: &str) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder()
            .timeout(TIMEOUT)
            .connect_timeout(CONNECT)
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        let integrations = stack.internal(&settings.peers.integrations);
        let key =
            |slug, fixed: &Option<Secret>| Credential::new(slug, fixed.clone(), &integrations);
        let mut all: Vec<(u32, bool, Arc<dyn PaymentProvider>)> = Vec::new();
        let gateway = medogram::Medogram::new(
            http.clone(),
            &settings.gateway,
            key(medogram::SLUG, &settings.gateway.api_key),
            return_url,
        );
        let gateway_starts =
            settings.environment.is_production() || settings.provider == "medogram";
        all.push((settings.gateway.priority, gateway_starts, Arc::new(gateway)));
        macro_rules! vendor {
            ($vendor:expr, $settings:expr) => {{
                let settings: &VendorSettings = $settings;
                all.push((settings.priority, settings.enabled, Arc::new($vendor)));
            }};
        }
        let (z, p) = (&settings.zarinpal, &settings.payping);
        let (s, w) = (&settings.stripe, &settings.wave);
        let zarinpal_key = key(zarinpal::SLUG, &z.api_key);
        let payping_key = key(payping::SLUG, &p.api_key);
        let stripe_key = key(stripe::SLUG, &s.api_key);
        let wave_key = key(wave::SLUG, &w.api_key);
        vendor!(
            zarinpal::ZarinPal::new(http.clone(), z, zarinpal_key, return_url),
            z
        );
        vendor!(
            payping::PayPing::new(http.clone(), p, payping_key, return_url),
            p
        );
        vendor!(
            stripe::Stripe::new(http.clone(), s, stripe_key, return_url),
            s
        );
        vendor!(wave::Wave::new(http.clone(), w, wave_key, return_url), w);
        if !settings.environment.is_production() {
            let base = match settings.sandbox.base_url.as_str() {
                "" => &settings.peers.simulators,
                base => base,
            };
            let key = key(sandbox::SLUG, &settings.sandbox.api_key);
            let client = sandbox::Sandbox::new(http, base, key, return_url);
            all.push((0, settings.uses_sandbox(), Arc::new(client)));
        }
        anyhow::ensure!(
            !(settings.environment.is_production() && settings.uses_sandbox()),
            "the sandbox moves no money and does not run in production"
        );
        // The one that is named stands before the priorities.
        all.sort_by_key(|(priority, _, client)| (client.slug() != settings.provider, *priority));
        let wanted: Vec<&'static str> = all
            .iter()
            .filter(|(_, starts, client)| *starts || client.slug() == settings.provider)
            .map(|(_, _, client)| client.slug())
            .collect();
        for slug in settings.routes.iter().flat_map(|route| &route.providers) {
            anyhow::ensure!(
                wanted.contains(&slug.as_str()),
                "routes name the provider {slug}, which starts no payments: enable it"
            );
        }
        let all = all
            .into_iter()
            .map(|(_, _, client)| (client.slug(), Arc::new(Watched::new(client))));
        Ok(Self {
            all: Arc::new(all.collect()),
            wanted: wanted.into(),
            routes: settings.routes.clone().into(),
        })
    }

    /// Those with which a payment of this price may be started, in the order in which they are
    /// tried: as the first route that fits says, else by priority; the ones that answer at present
    /// before those that do not. Empty when nobody takes it.
    #[must_use]
    pub fn route(&self, price: Money) -> Vec<Arc<dyn PaymentProvider>> {
        let fitting = self.routes.iter().find(|route| route.fits(price));
        let in_order: Vec<&str> = match fitting {
            Some(route) => route.providers.iter().map(String::as_str).collect(),
            None => self.wanted.to_vec(),
        };
        let mut able: Vec<&Arc<Watched>> = in_order
            .into_iter()
            .filter_map(|slug| self.all.get(slug))
            .filter(|provider| provider.accepts(price))
            .collect();
        able.sort_by_key(|provider| !provider.is_well());
        able.into_iter()
            .map(|provider| provider.clone() as Arc<dyn PaymentProvider>)
            .collect()
    }

    /// The most wanted one.
    pub fn default_slug(&self) -> &'static str {
        self.wanted.first().copied().unwrap_or(medogram::SLUG)
    }

    /// The slugs of all of them.
    pub fn slugs(&self) -> Vec<&'static str> {
        self.all.keys().copied().collect()
    }

    /// The one with which a stored payment was started.
    pub fn get(&self, slug: &str) -> Option<Arc<dyn PaymentProvider>> {
        let found = self.all.get(slug)?;
        Some(found.clone() as Arc<dyn PaymentProvider>)
    }

    /// Our slug for a provider's slug in integrations.
    pub fn slug_of(&self, provider_slug: &str) -> Option<&'static str> {
        let known = match provider_slug {
            // The seed's name for "whatever gateway is configured" (Y05).
            "payment-gateway" => self.default_slug(),
            other => self.all.keys().copied().find(|slug| *slug == other)?,
        };
        Some(known)
    }
}
