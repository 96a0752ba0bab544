//! Services and their instances as every worker sees them: load, readiness, breaker, bulkhead.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};

use super::breaker::{Breaker, BreakerRules};

/// One address of one service.
#[derive(Debug)]
pub struct Instance {
    /// Index over all instances of all services: the pools' key.
    pub id: usize,
    /// `host:port`.
    pub authority: String,
    /// Calls on their way, over all workers.
    pub in_flight: AtomicUsize,
    /// What the last probe of `/health/ready` said; unknown counts as ready.
    pub ready: AtomicBool,
    /// Passive health.
    pub breaker: Breaker,
}

/// A service: its instances and the bulkhead that keeps one slow service from taking every connection.
#[derive(Debug)]
pub struct Service {
    /// Its name.
    pub name: &'static str,
    /// Its addresses; empty when it is not configured.
    pub instances: Vec<Arc<Instance>>,
    /// Calls on their way to all instances.
    pub in_flight: AtomicUsize,
    /// The most of them.
    pub max_in_flight: usize,
    /// Open WebSockets.
    pub websockets: AtomicUsize,
    /// The most of them.
    pub max_websockets: usize,
    turn: AtomicU32,
}

impl Service {
    /// A service with these addresses; `first_id` numbers its instances.
    pub fn new(
        name: &'static str,
        authorities: Vec<String>,
        first_id: usize,
        max_in_flight: usize,
        max_websockets: usize,
        rules: BreakerRules,
    ) -> Self {
        let instances = authorities
            .into_iter()
            .enumerate()
            .map(|(offset, authority)| {
                Arc::new(Instance {
                    id: first_id + offset,
                    authority,
                    in_flight: AtomicUsize::new(0),
                    ready: AtomicBool::new(true),
                    breaker: Breaker::new(rules),
                })
            })
            .collect();
        Self {
            name,
            instances,
            in_flight: AtomicUsize::new(0),
            max_in_flight,
            websockets: AtomicUsize::new(0),
            max_websockets,
            turn: AtomicU32::new(0),
        }
    }

    /// The least-loaded instance that may be called: ready ones first, then the others (a probe may be wrong, and a
    /// service that lost one dependency may still answer), never one whose breaker is open, never one in `tried`.
    pub fn pick(&self, tried: &[usize]) -> Option<&Arc<Instance>> {
        if let [only] = self.instances.as_slice() {
            return (!tried.contains(&only.id) && only.breaker.permits()).then_some(only);
        }
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) as usize;
        let count = self.instances.len();
        let mut order: Vec<&Arc<Instance>> = (0..count)
            .map(|offset| &self.instances[(turn + offset) % count])
            .collect();
        order.sort_by_key(|instance| {
            (
                !instance.ready.load(Ordering::Relaxed),
                instance.in_flight.load(Ordering::Relaxed),
            )
        });
        order
            .into_iter()
            .find(|instance| !tried.contains(&instance.id) && instance.breaker.permits())
    }

    /// Whether at least one instance is ready and called.
    pub fn is_ready(&self) -> bool {
        self.instances
            .iter()
            .any(|instance| instance.ready.load(Ordering::Relaxed))
    }

    /// Takes a place in the bulkhead.
    pub fn enter(self: &Arc<Self>) -> Option<Place> {
        Place::take(self, false)
    }

    /// Takes a place for a WebSocket.
    pub fn enter_websocket(self: &Arc<Self>) -> Option<Place> {
        Place::take(self, true)
    }
}

/// A place in a service's bulkhead, given back on drop.
#[derive(Debug)]
pub struct Place {
    service: Arc<Service>,
    websocket: bool,
}

impl Place {
    fn take(service: &Arc<Service>, websocket: bool) -> Option<Self> {
        let (counter, most) = if websocket {
            (&service.websockets, service.max_websockets)
        } else {
            (&service.in_flight, service.max_in_flight)
        };
        if counter.fetch_add(1, Ordering::Relaxed) >= most {
            counter.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        Some(Self {
            service: Arc::clone(service),
            websocket,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let counter = if self.websocket {
            &self.service.websockets
        } else {
            &self.service.in_flight
        };
        counter.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A call on its way to one instance, uncounted on drop.
#[derive(Debug)]
pub struct Load(Arc<Instance>);

impl Load {
    /// Counts a call.
    pub fn new(instance: &Arc<Instance>) -> Self {
        instance.in_flight.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(instance))
    }

    /// The instance.
    pub fn instance(&self) -> &Arc<Instance> {
        &self.0
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(count: usize) -> Service {
        let names = (0..count)
            .map(|index| format!("10.0.0.{index}:80"))
            .collect();
        Service::new("portal", names, 0, 2, 1, BreakerRules::default())
    }

    #[test]
    fn the_least_loaded_ready_instance_is_picked() {
        let service = service(3);
        service.instances[0].in_flight.store(3, Ordering::Relaxed);
        service.instances[1].in_flight.store(1, Ordering::Relaxed);
        service.instances[2].in_flight.store(0, Ordering::Relaxed);
        assert_eq!(service.pick(&[]).unwrap().id, 2);
        service.instances[2].ready.store(false, Ordering::Relaxed);
        assert_eq!(service.pick(&[]).unwrap().id, 1);
        assert_eq!(
            service.pick(&[0, 1]).unwrap().id,
            2,
            "an unready one is better than none"
        );
        assert!(service.pick(&[0, 1, 2]).is_none());
    }

    #[test]
    fn equal_load_is_spread_by_turns() {
        let service = service(3);
        let picked: std::collections::BTreeSet<usize> =
            (0..3).map(|_| service.pick(&[]).unwrap().id).collect();
        assert_eq!(picked.len(), 3);
    }

    #[test]
    fn an_open_breaker_takes_an_instance_out() {
        let service = service(2);
        for _ in 0..5 {
            service.instances[0].breaker.failed();
        }
        for _ in 0..10 {
            assert_eq!(service.pick(&[]).unwrap().id, 1);
        }
    }

    #[test]
    fn the_bulkhead_has_a_last_place() {
        let service = Arc::new(service(1));
        let first = service.enter().unwrap();
        let _second = service.enter().unwrap();
        assert!(service.enter().is_none());
        drop(first);
        assert!(service.enter().is_some());
        let _socket = service.enter_websocket().unwrap();
        assert!(service.enter_websocket().is_none());
    }
}
