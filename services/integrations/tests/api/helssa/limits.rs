//! The limiter of `webhooks/tests`, 2 of 8 tests.

use serde_json::json;

use crate::{
    outgoing_support::call_as,
    rate_rules::{add, rule},
    support::World,
};

async fn three_calls(max: i64) -> Vec<u16> {
    let world = World::start().await;
    let admin = world.admin();
    add(
        &world,
        &admin,
        &rule("/api/integrations/webhook-events/*", max, 3_600, "user"),
    )
    .await;
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(
            call_as(&world, &admin, "GET", "webhook-events/", json!({}))
                .await
                .0,
        );
    }
    statuses
}

#[tokio::test]
async fn helssa_limiter_allows_three_of_three() {
    assert_eq!(three_calls(3).await, [200, 200, 200]);
}

#[tokio::test]
async fn helssa_limiter_refuses_the_third_of_two() {
    assert_eq!(three_calls(2).await, [200, 200, 429]);
}
