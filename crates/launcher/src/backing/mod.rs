//! The three servers every service leans on: PostgreSQL, Redis, RabbitMQ. Private instances from
//! the system's packages under one folder, on their own ports; or servers that already run, when
//! `DATABASE_URL`, `REDIS_URL`, `AMQP_URL` name them.

pub mod postgres;
pub mod rabbitmq;
pub mod redis;

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::install::{self, Program};
use crate::layout::create_folder;
use crate::ports;
use crate::ui::Step;
use postgres::Postgres;
use rabbitmq::RabbitMq;
use redis::Redis;

/// Ports of the private instances.
#[derive(Debug, Clone, Copy, serde::Serialize, serde::Deserialize)]
pub struct BackingPorts {
    pub postgres: u16,
    pub redis: u16,
    pub amqp: u16,
    /// Erlang's distribution port of the RabbitMQ node.
    pub distribution: u16,
    /// The private port mapper of the RabbitMQ node.
    pub epmd: u16,
}

impl BackingPorts {
    /// The fixed ports of `tabib run`: 15432, 16379, 15672 to 15674, each changeable.
    pub fn configured() -> Result<Self> {
        Ok(Self {
            postgres: ports::configured("postgres", 15432)?,
            redis: ports::configured("redis", 16379)?,
            amqp: ports::configured("amqp", 15672)?,
            distribution: ports::configured("rabbitmq-distribution", 15673)?,
            epmd: ports::configured("rabbitmq-epmd", 15674)?,
        })
    }

    /// Ports nobody uses, for tests.
    pub fn free() -> Result<Self> {
        let free = ports::several_free(5)?;
        Ok(Self {
            postgres: free[0],
            redis: free[1],
            amqp: free[2],
            distribution: free[3],
            epmd: free[4],
        })
    }
}

/// Addresses of servers that run already and are to be used instead of private ones.
#[derive(Debug, Clone, Default)]
pub struct External {
    pub database: Option<String>,
    pub redis: Option<String>,
    pub amqp: Option<String>,
}

impl External {
    /// What the environment names.
    pub fn from_environment() -> Self {
        let named = |name: &str| std::env::var(name).ok().filter(|url| !url.is_empty());
        Self {
            database: named("DATABASE_URL"),
            redis: named("REDIS_URL"),
            amqp: named("AMQP_URL"),
        }
    }
}

/// Passwords of the private instances; none of them for tests, which trust the loopback address.
#[derive(Clone)]
pub struct BackingPasswords {
    pub postgres: String,
    pub redis: String,
    pub amqp: String,
}

/// What to start and how.
pub struct BackingOptions {
    /// The folder that holds `pg/`, `redis/`, `rmq/`.
    pub folder: PathBuf,
    pub ports: BackingPorts,
    pub external: External,
    /// True for real data: every commit reaches the disk. False only for tests.
    pub durable: bool,
    pub passwords: Option<BackingPasswords>,
}

/// Addresses of the three servers, whoever runs them.
#[derive(Debug, Clone)]
pub struct BackingUrls {
    /// A role that may create roles and databases.
    pub database: String,
    pub redis: String,
    pub amqp: String,
}

/// The running servers; the private ones are stopped by [`Backing::stop`], others never.
pub struct Backing {
    pub urls: BackingUrls,
    pub postgres: Option<Postgres>,
    pub redis: Option<Redis>,
    pub rabbitmq: Option<RabbitMq>,
}

impl Backing {
    /// Finds or installs the programs, then starts what is not named by an address. Servers of
    /// the same folder that still run are used again.
    pub async fn start(options: BackingOptions, step: &Step) -> Result<Self> {
        let external = &options.external;
        let mut needed = Vec::new();
        if external.database.is_none() {
            needed.push(Program::PostgreSql);
        }
        if external.redis.is_none() {
            needed.push(Program::Redis);
        }
        if external.amqp.is_none() {
            needed.push(Program::RabbitMq);
        }
        install::ensure(&needed, step).await?;
        if !needed.is_empty() {
            create_folder(&options.folder, 0o711)?;
        }
        step.note("starting PostgreSQL, Redis and RabbitMQ");
        let (postgres, redis, rabbitmq) = tokio::join!(
            async {
                match external.database {
                    Some(_) => Ok(None),
                    None => Postgres::start(&options).await.map(Some),
                }
            },
            async {
                match external.redis {
                    Some(_) => Ok(None),
                    None => Redis::start(&options).await.map(Some),
                }
            },
            async {
                match external.amqp {
                    Some(_) => Ok(None),
                    None => RabbitMq::start(&options).await.map(Some),
                }
            },
        );
        let (postgres, redis, rabbitmq) = match (postgres, redis, rabbitmq) {
            (Ok(postgres), Ok(redis), Ok(rabbitmq)) => (postgres, redis, rabbitmq),
            (postgres, redis, rabbitmq) => {
                // One failed: do not leave the others behind.
                let mut errors = Vec::new();
                let postgres = keep(postgres, &mut errors);
                let redis = keep(redis, &mut errors);
                let rabbitmq = keep(rabbitmq, &mut errors);
                stop_all(postgres, redis, rabbitmq).await;
                return Err(errors.remove(0)).context("a backing service did not start");
            }
        };
        let urls = BackingUrls {
            database: address(&external.database, postgres.as_ref().map(Postgres::url))?,
            redis: address(&external.redis, redis.as_ref().map(Redis::url))?,
            amqp: address(&external.amqp, rabbitmq.as_ref().map(RabbitMq::url))?,
        };
        Ok(Self {
            urls,
            postgres,
            redis,
            rabbitmq,
        })
    }

    /// Stops the private instances, all at once.
    pub async fn stop(self) {
        stop_all(self.postgres, self.redis, self.rabbitmq).await;
    }

    /// A short description: which are private and where the others are.
    pub fn describe(&self) -> String {
        let part = |name: &str, own: Option<u16>| match own {
            Some(port) => format!("{name} :{port}"),
            None => format!("{name} (given address)"),
        };
        [
            part("PostgreSQL", self.postgres.as_ref().map(|it| it.port)),
            part("Redis", self.redis.as_ref().map(|it| it.port)),
            part("RabbitMQ", self.rabbitmq.as_ref().map(|it| it.ports.amqp)),
        ]
        .join(", ")
    }
}

fn address(external: &Option<String>, own: Option<String>) -> Result<String> {
    external
        .clone()
        .or(own)
        .context("a backing service has no address")
}

fn keep<T>(result: Result<Option<T>>, errors: &mut Vec<anyhow::Error>) -> Option<T> {
    result.unwrap_or_else(|error| {
        errors.push(error);
        None
    })
}

async fn stop_all(postgres: Option<Postgres>, redis: Option<Redis>, rabbitmq: Option<RabbitMq>) {
    tokio::join!(
        async {
            if let Some(postgres) = postgres {
                postgres.stop().await;
            }
        },
        async {
            if let Some(redis) = redis {
                redis.stop().await;
            }
        },
        async {
            if let Some(rabbitmq) = rabbitmq {
                rabbitmq.stop().await;
            }
        },
    );
}
