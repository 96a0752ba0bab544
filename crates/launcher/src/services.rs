//! The processes of the platform: names, ports, binaries, what each owns and needs.

use anyhow::Result;

use crate::ports;

/// One of the seven services.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Service {
    /// Package, folder and database name.
    pub name: &'static str,
    /// Default port of `serve`.
    pub port: u16,
    /// Default port of the health routes of `worker`.
    pub worker_port: u16,
}

/// The services in the order they start: identity first, since the others fetch its keys.
pub const SERVICES: [Service; 7] = [
    service("auth-otp", 1),
    service("integrations", 6),
    service("portal", 4),
    service("payments", 3),
    service("chat", 7),
    service("patient-access", 2),
    service("content", 5),
];

/// Default port of the gateway.
pub const GATEWAY_PORT: u16 = 8080;
/// Default port of the provider simulators.
pub const SIMULATORS_PORT: u16 = 8110;

const fn service(name: &'static str, number: u16) -> Service {
    Service {
        name,
        port: 8100 + number,
        worker_port: 8200 + number,
    }
}

impl Service {
    /// The service of this name.
    pub fn named(name: &str) -> Option<Self> {
        SERVICES.into_iter().find(|service| service.name == name)
    }

    /// The name of its binary.
    pub fn binary(self) -> String {
        format!("tabib-{}", self.name)
    }

    /// The prefix of its settings in the environment: `AUTH_OTP`.
    pub fn prefix(self) -> String {
        prefix(self.name)
    }
}

/// The prefix of a process's settings in the environment.
pub fn prefix(name: &str) -> String {
    name.to_uppercase().replace('-', "_")
}

/// The ports of one running platform.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct PortPlan {
    pub gateway: u16,
    pub simulators: u16,
    /// Per service, in the order of [`SERVICES`]: `serve` and `worker`.
    pub services: Vec<(u16, u16)>,
}

impl PortPlan {
    /// The documented ports, each changeable with `TABIB_PORT_<NAME>` (`TABIB_PORT_GATEWAY`,
    /// `TABIB_PORT_AUTH_OTP`, `TABIB_PORT_AUTH_OTP_WORKER`).
    pub fn configured() -> Result<Self> {
        let services = SERVICES
            .iter()
            .map(|service| {
                let worker = format!("{}-worker", service.name);
                Ok((
                    ports::configured(service.name, service.port)?,
                    ports::configured(&worker, service.worker_port)?,
                ))
            })
            .collect::<Result<_>>()?;
        Ok(Self {
            gateway: ports::configured("gateway", GATEWAY_PORT)?,
            simulators: ports::configured("simulators", SIMULATORS_PORT)?,
            services,
        })
    }

    /// Ports nobody uses, for tests.
    pub fn free() -> Result<Self> {
        let free = ports::several_free(2 + 2 * SERVICES.len())?;
        Ok(Self {
            gateway: free[0],
            simulators: free[1],
            services: free[2..].chunks(2).map(|pair| (pair[0], pair[1])).collect(),
        })
    }

    /// The `serve` port of a service.
    pub fn of(&self, name: &str) -> u16 {
        self.pair(name).0
    }

    /// The health port of a service's worker.
    pub fn worker_of(&self, name: &str) -> u16 {
        self.pair(name).1
    }

    fn pair(&self, name: &str) -> (u16, u16) {
        SERVICES
            .iter()
            .position(|service| service.name == name)
            .and_then(|index| self.services.get(index).copied())
            .unwrap_or_default()
    }

    /// Every port with the name of what listens there.
    pub fn all(&self) -> Vec<(String, u16)> {
        let mut all = vec![
            ("gateway".to_owned(), self.gateway),
            ("simulators".to_owned(), self.simulators),
        ];
        for (service, (serve, worker)) in SERVICES.iter().zip(&self.services) {
            all.push((service.name.to_owned(), *serve));
            all.push((format!("{}-worker", service.name), *worker));
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_those_the_architecture_lists() {
        let named = |name| Service::named(name).unwrap().port;
        assert_eq!(named("auth-otp"), 8101);
        assert_eq!(named("patient-access"), 8102);
        assert_eq!(named("payments"), 8103);
        assert_eq!(named("portal"), 8104);
        assert_eq!(named("content"), 8105);
        assert_eq!(named("integrations"), 8106);
        assert_eq!(named("chat"), 8107);
        assert_eq!(Service::named("chat").unwrap().worker_port, 8207);
        assert_eq!(Service::named("auth-otp").unwrap().prefix(), "AUTH_OTP");
    }
}
