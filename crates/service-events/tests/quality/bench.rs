//! One service that counts: every applied event leaves a row in `effects`.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use common_types::{
    clock::SystemClock,
    events::{Envelope, Event},
};
use diesel::sql_types::{BigInt, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use lapin::{
    BasicProperties, Channel, Connection, ConnectionProperties, options::BasicPublishOptions,
};
use serde::{Deserialize, Serialize};
use service_db::SHARED_MIGRATIONS;
use service_events::{
    Broker, Consumers, EventHandler, HandlerError, Outbox, RetryPolicy, Worker, inbox, outbox,
};
use service_testing::{Prefix, TestDb, eventually};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
pub(crate) const QUEUE: &str = "counter.things";

/// What the handler does with an event.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) enum Mode {
    Apply,
    /// Only when newer than what was applied.
    Newest,
    Poison,
    Fail,
    Panic,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ThingCounted {
    pub(crate) thing: Uuid,
    pub(crate) version: i64,
    pub(crate) mode: Mode,
}

impl Event for ThingCounted {
    const NAME: &'static str = "counter.thing_counted";
    const VERSION: u16 = 1;
    fn aggregate_id(&self) -> Uuid {
        self.thing
    }
    fn aggregate_version(&self) -> i64 {
        self.version
    }
    fn organization_id(&self) -> Option<Uuid> {
        None
    }
}

/// An event that no queue is bound to.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct NobodyListens {
    pub(crate) thing: Uuid,
}

impl Event for NobodyListens {
    const NAME: &'static str = "counter.nobody_listens";
    const VERSION: u16 = 1;
    fn aggregate_id(&self) -> Uuid {
        self.thing
    }
    fn aggregate_version(&self) -> i64 {
        1
    }
    fn organization_id(&self) -> Option<Uuid> {
        None
    }
}

/// Writes the effect; what goes wrong can be switched off ("fixed") from the test.
#[derive(Clone, Default)]
pub(crate) struct Count {
    pub(crate) fixed: Arc<AtomicBool>,
    /// Called inside the transaction, before it commits.
    pub(crate) before_commit: Option<Arc<dyn Fn() + Send + Sync>>,
}

#[async_trait]
impl EventHandler<ThingCounted> for Count {
    async fn handle(
        &self,
        conn: &mut AsyncPgConnection,
        envelope: &Envelope,
        event: ThingCounted,
    ) -> Result<(), HandlerError> {
        let fixed = AtomicBool::load(&self.fixed, Ordering::SeqCst);
        match event.mode {
            Mode::Poison if !fixed => return Err(HandlerError::Poison("never works".into())),
            Mode::Fail if !fixed => return Err(anyhow::anyhow!("not now").into()),
            Mode::Panic if !fixed => panic!("handler fell over"),
            Mode::Newest => {
                let version = envelope.aggregate_version;
                if !inbox::is_newer(conn, QUEUE, event.thing, version).await? {
                    return Ok(());
                }
            }
            _ => {}
        }
        diesel::sql_query("INSERT INTO effects (event_id, thing, version) VALUES ($1, $2, $3)")
            .bind::<SqlUuid, _>(envelope.id)
            .bind::<SqlUuid, _>(event.thing)
            .bind::<BigInt, _>(event.version)
            .execute(conn)
            .await?;
        if let Some(hook) = &self.before_commit {
            hook();
        }
        Ok(())
    }
}

#[derive(diesel::QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    number: i64,
}

pub(crate) struct Bench {
    pub(crate) test: TestDb,
    pub(crate) prefix: Prefix,
    pub(crate) count: Count,
}

impl Bench {
    pub(crate) async fn new() -> Self {
        let test = TestDb::create("no-service", SHARED_MIGRATIONS).await;
        let mut owner = test.owner().await.get().await.unwrap();
        owner
            .batch_execute(
                "CREATE TABLE effects (event_id uuid, thing uuid, version bigint);
                 GRANT SELECT, INSERT ON effects TO PUBLIC",
            )
            .await
            .unwrap();
        Self {
            test,
            prefix: Prefix::new(),
            count: Count::default(),
        }
    }

    pub(crate) fn broker(&self) -> Broker {
        self.prefix.broker()
    }

    pub(crate) fn consumers(&self, broker: Broker) -> Consumers {
        Consumers::new(
            "counter",
            self.test.db.clone(),
            broker,
            Arc::new(SystemClock),
        )
        .on::<ThingCounted>("things", self.count.clone())
        .retry(RetryPolicy {
            delays: vec![Duration::from_millis(50), Duration::from_millis(150)],
            delivery_limit: 3,
        })
    }

    /// A whole worker on the given link to the broker.
    pub(crate) fn start_worker(&self, broker: Broker) -> Running {
        let clock = Arc::new(SystemClock);
        let worker = Worker::new("counter", self.test.db.clone(), broker.clone(), clock)
            .consumers(self.consumers(broker));
        let cancel = CancellationToken::new();
        let outbox = worker.outbox();
        let task = tokio::spawn(worker.run(cancel.clone()));
        Running {
            cancel,
            outbox,
            task,
        }
    }

    /// Emits one event in a transaction of its own and answers its id.
    pub(crate) async fn emit(&self, mode: Mode) -> Uuid {
        self.emit_event(&ThingCounted {
            thing: Uuid::now_v7(),
            version: 1,
            mode,
        })
        .await
    }

    pub(crate) async fn emit_event<E: Event>(&self, event: &E) -> Uuid {
        let emitted = self.test.db.transaction(async |conn| {
            Ok::<_, service_db::DbError>(
                outbox::emit(conn, "counter", event, chrono::Utc::now()).await?,
            )
        });
        emitted.await.unwrap()
    }

    pub(crate) async fn number(&self, sql: &str) -> i64 {
        let sql = format!("SELECT ({sql})::bigint AS number");
        let row = self.test.db.transaction(async |conn| {
            let row: Number = diesel::sql_query(&sql).get_result(conn).await?;
            Ok::<_, service_db::DbError>(row)
        });
        let row = row.await.unwrap();
        row.number
    }

    pub(crate) async fn effects(&self) -> i64 {
        self.number("SELECT count(*) FROM effects").await
    }

    pub(crate) async fn unpublished(&self) -> i64 {
        self.number("SELECT count(*) FROM outbox_events WHERE published_at IS NULL")
            .await
    }

    pub(crate) async fn dead(&self) -> i64 {
        self.number("SELECT count(*) FROM dead_letters WHERE replayed_at IS NULL")
            .await
    }

    /// Waits until exactly so many events had their effect, once each.
    pub(crate) async fn all_applied_once(&self, expected: i64) {
        eventually(PATIENCE, async || self.effects().await >= expected).await;
        let distinct = self
            .number("SELECT count(DISTINCT event_id) FROM effects")
            .await;
        assert_eq!((self.effects().await, distinct), (expected, expected));
    }
}

pub(crate) struct Running {
    cancel: CancellationToken,
    pub(crate) outbox: Outbox,
    task: tokio::task::JoinHandle<()>,
}

impl Running {
    /// Stops as a service does on SIGTERM.
    pub(crate) async fn stop(mut self) {
        self.cancel.cancel();
        tokio::time::timeout(PATIENCE, &mut self.task)
            .await
            .unwrap()
            .unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

/// A plain connection of the test's own.
pub(crate) async fn raw_channel(url: &str) -> (Connection, Channel) {
    let connection = Connection::connect(url, ConnectionProperties::default())
        .await
        .unwrap();
    let channel = connection.create_channel().await.unwrap();
    channel.confirm_select(Default::default()).await.unwrap();
    (connection, channel)
}

/// Puts an envelope straight into the queue, as the broker may hand it out again.
pub(crate) async fn deliver(channel: &Channel, queue: &str, body: &[u8]) {
    let properties = BasicProperties::default().with_delivery_mode(2);
    let options = BasicPublishOptions {
        mandatory: true,
        ..Default::default()
    };
    let confirm = channel
        .basic_publish("".into(), queue.into(), options, body, properties)
        .await
        .unwrap();
    let confirmation = confirm.await.unwrap();
    assert!(confirmation.is_ack() && confirmation.take_message().is_none());
}
