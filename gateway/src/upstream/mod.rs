//! The services' side: instances, pools of connections, health, and how one call is made.

pub mod answer;
pub mod body;
pub mod breaker;
pub mod download;
pub mod instance;
pub mod link;
pub mod pool;
pub mod probe;
pub mod send;

use std::sync::Arc;

use crate::routes::SERVICES;
use crate::settings::Settings;
use breaker::BreakerRules;
use instance::Service;

/// All services, shared by all workers.
#[derive(Debug)]
pub struct Upstreams {
    services: Vec<Arc<Service>>,
    instances: usize,
}

impl Upstreams {
    /// As the settings say.
    pub fn new(settings: &Settings) -> Self {
        let mut instances = 0;
        let services = SERVICES
            .into_iter()
            .map(|name| {
                let authorities = settings.authorities(name);
                let first = instances;
                instances += authorities.len();
                Arc::new(Service::new(
                    name,
                    authorities,
                    first,
                    settings.upstream.max_in_flight,
                    settings.upstream.max_websockets,
                    BreakerRules::default(),
                ))
            })
            .collect();
        Self {
            services,
            instances,
        }
    }

    /// The service of this index in [`SERVICES`].
    pub fn get(&self, index: usize) -> &Arc<Service> {
        &self.services[index]
    }

    /// All services.
    pub fn services(&self) -> &[Arc<Service>] {
        &self.services
    }

    /// How many instances there are.
    pub fn instances(&self) -> usize {
        self.instances
    }
}
