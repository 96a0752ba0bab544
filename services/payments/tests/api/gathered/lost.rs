//! A connection that dies after the database has committed and before it could say so.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use common_types::{Currency, Money};
use futures_util::future::join_all;
use payments::{
    AppState,
    payment::{Origin, Payment, Request},
    wallet::{self, PayFromWallet},
};
use serde_json::{Value, json};
use service_db::Db;
use service_testing::eventually;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::{Held, PAYMENTS, TRANSACTIONS, standing};
use crate::{
    refunds::paid_charge,
    support::{Clinic, PATIENCE},
};

/// Which commit is done and not told.
const UNTOLD: usize = 2;

/// A link to the database that cuts a connection when the commit of that number has been answered. Its port.
async fn forgetful_link(target: String) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let commits = Arc::new(AtomicUsize::new(0));
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(&target).await.unwrap();
            tokio::spawn(forward(client, server, Arc::clone(&commits)));
        }
    });
    port
}

async fn forward(mut client: TcpStream, mut server: TcpStream, commits: Arc<AtomicUsize>) {
    let (mut asked, mut said) = (vec![0; 65_536], vec![0; 65_536]);
    loop {
        tokio::select! {
            read = client.read(&mut asked) => {
                let Ok(read @ 1..) = read else { return };
                server.write_all(&asked[..read]).await.unwrap();
                let commit = asked[..read].windows(7).any(|part| part == b"COMMIT\0");
                if commit && commits.fetch_add(1, Ordering::SeqCst) + 1 == UNTOLD {
                    // It is done when the server answers.
                    assert!(server.read(&mut said).await.unwrap() > 0);
                    return;
                }
            }
            read = server.read(&mut said) => {
                let Ok(read @ 1..) = read else { return };
                if client.write_all(&said[..read]).await.is_err() {
                    return;
                }
            }
        }
    }
}

pub(super) fn shown(payment: &Payment) -> Value {
    json!({"id": payment.id, "amount": payment.price.amount})
}

pub(super) fn asked(clinic: &Clinic, number: u8) -> PayFromWallet {
    PayFromWallet {
        organization_id: clinic.organization,
        owner: clinic.doctor,
        price: Money::new(100, Currency::Irr),
        invoice_id: None,
        description: "x".to_owned(),
        origin: Origin::here([127, 0, 0, 1].into()),
        key: Request {
            subject: clinic.doctor.to_string(),
            route: "/api/v1/wallet/pay/",
            key: format!("k{number}"),
            body_hash: [number; 32],
        },
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn q_m1_a_batch_whose_commit_is_not_told_is_paid_once_and_answered() {
    let clinic = Clinic::new().await;
    paid_charge(&clinic, 10_000).await;
    let mut settings = clinic.service.database.settings();
    let mut url = reqwest::Url::parse(settings.url.expose()).unwrap();
    let target = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap_or(5432));
    let port = forgetful_link(target).await;
    url.set_host(Some("127.0.0.1")).unwrap();
    url.set_port(Some(port)).unwrap();
    settings.url = url.to_string().into();
    let mut state: AppState = clinic.service.state.clone();
    state.stack.db = Db::connect(&settings).await.unwrap();

    let held = Held::wallet(&clinic).await;
    let first = wallet::pay(&state, asked(&clinic, 0), shown);
    let others = async {
        standing(&clinic, 1).await;
        let others = (1..=5).map(|number| wallet::pay(&state, asked(&clinic, number), shown));
        join_all(others).await
    };
    let let_go = async {
        eventually(PATIENCE, async || state.lanes.waiting() == 5).await;
        held.let_go().await;
    };
    let (first, others, ()) = tokio::join!(first, others, let_go);
    assert!(!first.unwrap().replayed);
    let mut ids = std::collections::HashSet::new();
    for stored in others {
        let stored = stored.unwrap();
        assert!(stored.replayed, "found by its key");
        let said: Value = serde_json::from_slice(&stored.body).unwrap();
        ids.insert(said["id"].as_str().unwrap().to_owned());
    }
    assert_eq!(ids.len(), 5);
    assert_eq!(clinic.number(PAYMENTS).await, 6);
    assert_eq!(clinic.number(TRANSACTIONS).await, 2);
    assert_eq!(clinic.balance("wallet").await, 9_400);
    clinic.books_are_right().await;
}
