//! Q-M4 in small, on a platform of its own: six processes die at random moments while five invoices are paid.
#![allow(clippy::unwrap_used)]

use launcher::layout::Layout;
use tabib_lab::kill::{self, Plan};

#[tokio::test(flavor = "multi_thread")]
async fn q_m4_payments_survive_kill_9_of_random_processes() {
    let layout = Layout::discover().unwrap();
    let folder = launcher::testing::folder(&layout, "lab").unwrap();
    let plan = Plan {
        payments: 5,
        kills: 6,
        seed: 7,
    };
    let run = kill::run(&folder, plan).await.unwrap();
    launcher::testing::platform::stop(&folder).await;
    assert_eq!(run.violations, [], "{}", run.figures);
    assert_eq!(run.figures["events_at_rest"], true);
    assert!(run.figures["killed"].as_array().unwrap().len() >= 6);
}
