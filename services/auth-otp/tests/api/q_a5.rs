//! Q-A5: refresh tokens used in parallel, lost, and stolen.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::json;
use tokio::task::JoinSet;

use crate::harness::{Answer, App, PHONE, text};

async fn refresh(app: &App, token: &str) -> Answer {
    app.post("/api/auth/token/refresh/", json!({"refresh": token}))
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn q_a5_two_hundred_parallel_uses_start_one_chain() {
    let app = Arc::new(App::start().await);
    let first = text(&app.log_in(PHONE).await, "refresh");
    let mut tasks = JoinSet::new();
    for _ in 0..200 {
        let (app, first) = (app.clone(), first.clone());
        tasks.spawn(async move { text(&refresh(&app, &first).await.expect(200), "refresh") });
    }
    let successors: BTreeSet<String> = tasks.join_all().await.into_iter().collect();
    assert_eq!(successors.len(), 1, "one chain");
    let successor = successors.into_iter().next().unwrap();
    assert_ne!(successor, first);
    refresh(&app, &successor).await.expect(200);
}

#[tokio::test]
async fn q_a5_a_lost_answer_can_be_retried_for_ten_seconds() {
    let app = App::start().await;
    let first = text(&app.log_in(PHONE).await, "refresh");
    let second = text(&refresh(&app, &first).await.expect(200), "refresh");
    app.advance(10);
    assert_eq!(
        text(&refresh(&app, &first).await.expect(200), "refresh"),
        second
    );
    refresh(&app, &second).await.expect(200);
}

#[tokio::test]
async fn q_a5_reuse_after_the_window_kills_the_family() {
    let app = App::start().await;
    let login = app.log_in(PHONE).await;
    let first = text(&login, "refresh");
    let pair = refresh(&app, &first).await.expect(200);
    app.advance(11);
    refresh(&app, &first).await.expect(401);
    refresh(&app, &text(&pair, "refresh")).await.expect(401);
    for access in [text(&login, "access"), text(&pair, "access")] {
        app.get("/api/auth/me/", &access).await.expect(401);
    }
}

#[tokio::test]
async fn q_a5_the_grandparent_kills_the_family_even_within_the_window() {
    let app = App::start().await;
    let first = text(&app.log_in(PHONE).await, "refresh");
    let second = text(&refresh(&app, &first).await.expect(200), "refresh");
    let third = text(&refresh(&app, &second).await.expect(200), "refresh");
    refresh(&app, &first).await.expect(401);
    refresh(&app, &third).await.expect(401);
}

#[tokio::test]
async fn q_a5_the_story_of_a_stolen_token() {
    let app = App::start().await;
    let stolen = text(&app.log_in(PHONE).await, "refresh");
    // The thief is first; the owner comes later with what they had.
    let thief = refresh(&app, &stolen).await.expect(200);
    app.advance(600);
    refresh(&app, &stolen).await.expect(401);
    refresh(&app, &text(&thief, "refresh")).await.expect(401);
    app.get("/api/auth/me/", &text(&thief, "access"))
        .await
        .expect(401);
    // Another session of the owner lives on.
    let other = app.log_in(PHONE).await;
    refresh(&app, &text(&other, "refresh")).await.expect(200);
}

#[tokio::test]
async fn q_a5_only_hashes_rest_in_the_database() {
    use diesel_async::RunQueryDsl;
    #[derive(diesel::QueryableByName)]
    struct Row {
        #[diesel(sql_type = diesel::sql_types::Text)]
        shown: String,
    }
    let app = App::start().await;
    let token = text(&app.log_in(PHONE).await, "refresh");
    let mut conn = app.db.db.get().await.unwrap();
    let rows: Vec<Row> = diesel::sql_query("SELECT row_to_json(s)::text AS shown FROM sessions s")
        .load(&mut conn)
        .await
        .unwrap();
    let mac = token.rsplit('.').next().unwrap();
    assert!(rows.iter().all(|row| !row.shown.contains(mac)));
}
