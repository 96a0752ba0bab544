//! E-mail over TLS: STARTTLS and TLS from the first byte, with a certificate of the clinic's own authority.

use provider_simulators::smtp::Behaviour;
use serde_json::json;

use crate::support::{Setup, World};

const CHAIN: &[u8] = include_bytes!("../fixtures/mail/server.pem");
const KEY: &[u8] = include_bytes!("../fixtures/mail/server.key");
const AUTHORITY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/mail/ca.pem");

/// A world whose mail server speaks TLS; the service trusts its authority, or does not.
async fn world(url: &'static str, trusts: bool) -> World {
    let mut settings = vec![
        ("development.stand_ins", "false".to_owned()),
        ("smtp.from", "Tabib <no-reply@clinic.example>".to_owned()),
    ];
    if trusts {
        settings.push(("smtp.ca_file", AUTHORITY.to_owned()));
    }
    let world = World::with(Setup {
        smtp: Some(url),
        settings,
        ..Setup::default()
    })
    .await;
    let smtp = &world.simulators.state.smtp;
    smtp.set_tls(CHAIN, KEY).unwrap();
    smtp.set_behaviour(Behaviour {
        implicit_tls: url.starts_with("smtps"),
        credentials: Some(("clinic".to_owned(), "canary-mail-password".to_owned())),
        ..Behaviour::default()
    });
    world
}

async fn send(world: &World) -> (u16, serde_json::Value) {
    let mail = json!({"idempotency_key": "m1", "channel": "email", "to": "sara@example.com", "language": "en",
        "subject": "Your report", "text": "It is ready.", "purpose": "notification", "mode": "synchronous"});
    world.send(&mail).await
}

#[tokio::test]
async fn mails_go_out_encrypted_and_authenticated() {
    for url in [
        "smtps://clinic:canary-mail-password@{}",
        "smtp://clinic:canary-mail-password@{}?tls=required",
        "smtp://clinic:canary-mail-password@{}?tls=opportunistic",
    ] {
        let world = world(url, true).await;
        let (status, body) = send(&world).await;
        assert_eq!(
            (status, &body["state"]),
            (200, &json!("sent")),
            "{url}: {body}"
        );
        let mails = world.simulators.state.smtp.mails();
        assert_eq!(mails.len(), 1, "{url}");
        assert!(
            mails[0].encrypted && mails[0].raw.contains("It is ready."),
            "{url}"
        );
    }
}

#[tokio::test]
async fn a_certificate_of_a_stranger_is_refused_before_the_password_is_said() {
    for url in [
        "smtps://clinic:canary-mail-password@{}",
        "smtp://clinic:canary-mail-password@{}?tls=required",
    ] {
        let world = world(url, false).await;
        let (_, body) = send(&world).await;
        assert_ne!(body["state"], "sent", "{url}: {body}");
        assert!(world.simulators.state.smtp.mails().is_empty(), "{url}");
        assert!(
            world.simulators.state.smtp.connections() > 0,
            "{url}: it was tried"
        );
    }
}
