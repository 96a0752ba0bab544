use std::io::Write;

use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use service_db::Db;
use uuid::Uuid;

use crate::{
    Broker, EventsError,
    dead_letters::{self, Filter},
};

/// `dead-letters`: what was given up, why, and back into its queue.
#[derive(Debug, Clone, Args)]
pub struct DeadLetterCommand {
    /// What to do with them.
    #[command(subcommand)]
    pub action: DeadLetterAction,
}

/// The parts of `dead-letters`.
#[derive(Debug, Clone, Subcommand)]
pub enum DeadLetterAction {
    /// Lists events that were given up, newest first.
    List {
        /// Only those of this consumer, such as `payments.provider-events`.
        #[arg(long)]
        queue: Option<String>,
        /// Also those already replayed.
        #[arg(long)]
        all: bool,
        /// At most so many.
        #[arg(long, default_value_t = 100)]
        limit: i64,
    },
    /// Shows one with its body.
    Show {
        /// Its id, as listed.
        id: Uuid,
    },
    /// Puts one, or all open ones, back into their queues.
    Replay {
        /// Its id, as listed.
        #[arg(required_unless_present = "all")]
        id: Option<Uuid>,
        /// All open ones.
        #[arg(long, conflicts_with = "id")]
        all: bool,
        /// With --all: only those of this consumer.
        #[arg(long, requires = "all")]
        queue: Option<String>,
    },
}

impl DeadLetterCommand {
    /// Runs the command and writes JSON lines to `out`.
    ///
    /// # Errors
    /// What the action meets, or when `out` cannot be written.
    pub async fn run(
        &self,
        db: &Db,
        broker: &Broker,
        now: DateTime<Utc>,
        out: &mut (dyn Write + Send),
    ) -> anyhow::Result<()> {
        match &self.action {
            DeadLetterAction::List { queue, all, limit } => {
                let filter = Filter {
                    queue: queue.clone(),
                    replayed: *all,
                    limit: *limit,
                };
                for letter in dead_letters::list(db, &filter).await? {
                    writeln!(out, "{}", serde_json::to_string(&letter)?)?;
                }
            }
            DeadLetterAction::Show { id } => {
                let detail = dead_letters::show(db, *id).await?;
                writeln!(out, "{}", serde_json::to_string_pretty(&detail)?)?;
            }
            DeadLetterAction::Replay { id: Some(id), .. } => {
                dead_letters::replay(db, broker, *id, now).await?;
                writeln!(out, "{}", serde_json::json!({ "replayed": id }))?;
            }
            DeadLetterAction::Replay { queue, .. } => {
                for id in open(db, queue.clone()).await? {
                    dead_letters::replay(db, broker, id, now).await?;
                    writeln!(out, "{}", serde_json::json!({ "replayed": id }))?;
                }
            }
        }
        Ok(())
    }
}

/// Every open dead letter, oldest first, so that replay keeps the order of death.
async fn open(db: &Db, queue: Option<String>) -> Result<Vec<Uuid>, EventsError> {
    let filter = Filter {
        queue,
        replayed: false,
        limit: i64::MAX,
    };
    let letters = dead_letters::list(db, &filter).await?;
    Ok(letters.into_iter().rev().map(|letter| letter.id).collect())
}
