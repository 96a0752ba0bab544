//! Q-A6: an end stays an end when Redis forgets everything and every process is killed and started again.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::json;
use service_testing::eventually;

use crate::harness::{App, E164, PHONE, send, text, within_five_seconds};
use crate::process::Program;

/// A Redis of this test alone: it is flushed and killed.
struct OwnRedis {
    child: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl Drop for OwnRedis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl OwnRedis {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let child = Command::new("redis-server")
            .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .args(["--port", &port.to_string()])
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server; `tabib prepare-tests` installs what tests need");
        let redis = Self {
            child,
            port,
            _folder: folder,
        };
        eventually(Duration::from_secs(60), async || {
            redis.say("PING").is_some_and(|said| said.contains("PONG"))
        })
        .await;
        redis
    }

    fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    fn say(&self, command: &str) -> Option<String> {
        use std::io::{Read, Write};
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(2))).ok()?;
        write!(stream, "{command}\r\n").ok()?;
        let mut buffer = [0_u8; 64];
        let read = stream.read(&mut buffer).ok()?;
        Some(String::from_utf8_lossy(&buffer[..read]).into_owned())
    }
}

async fn ended_within_five_seconds(program: &Program, access: &str) {
    within_five_seconds(async || program.me(access).await == 401).await;
}

/// Somebody logs in at one process; an operator closes the account at the other. Their access token.
async fn disabled_account(app: &App, one: &Program, two: &Program) -> String {
    let login = one.log_in(app, "09120000777").await;
    let access = text(&login, "access");
    let me = app.get("/api/auth/me/", &access).await.expect(200);
    let operator = app.issuer().await.access(|claims| claims.superuser = true);
    let path = format!("/api/auth/users/{}/deactivate/", me["id"]);
    let request = two.request(&path, &json!({})).bearer_auth(operator);
    assert_eq!(send(request).await.expect(200)["is_active"], false);
    // Nor does the account open another session.
    let refresh = one.refresh(&text(&login, "refresh")).await;
    assert_eq!(refresh.status, 401);
    let body = json!({"phone_number": "09120000777"});
    one.post("/api/auth/otp/request/", body.clone())
        .await
        .expect(200);
    let body = json!({"phone_number": "09120000777", "code": app.code("+989120000777").await});
    let again = one.post("/api/auth/otp/verify/", body).await;
    assert!(matches!(again.status, 400 | 401 | 403), "{}", again.body);
    access
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn q_a6_ends_are_felt_by_every_process_and_survive_a_flush_and_restarts() {
    let app = App::start().await;
    let redis = OwnRedis::start().await;
    let mut one = Program::start(&app, &redis.url()).await;
    let mut two = Program::start(&app, &redis.url()).await;
    // By logout, by the list, by another phone: each through one process, felt at the other.
    let logout = text(&one.log_in(&app, PHONE).await, "access");
    let listed = text(&two.log_in(&app, "09120000999").await, "access");
    let request = one.request("/api/auth/logout/", &json!({}));
    assert_eq!(send(request.bearer_auth(&logout)).await.status, 204);
    let other = text(&one.log_in(&app, "09120000999").await, "access");
    app.call(
        reqwest::Method::DELETE,
        "/api/sessions/?except=current",
        &other,
        serde_json::Value::Null,
    )
    .await
    .expect(204);
    let elsewhere = text(&one.log_in(&app, PHONE).await, "access");
    let here = text(&two.log_in(&app, PHONE).await, "access");
    let path = "/api/auth/phone-change/request/";
    let body = json!({"phone_number": "09127654321"});
    let request = two.request(path, &body).bearer_auth(&here);
    assert_eq!(send(request).await.status, 200);
    let body = json!({"code": app.code("+989127654321").await, "old_code": app.code(E164).await});
    let path = "/api/auth/phone-change/confirm/";
    let request = two.request(path, &body).bearer_auth(&here);
    assert_eq!(send(request).await.status, 200);
    let disabled = disabled_account(&app, &one, &two).await;
    let ended = [&logout, &listed, &elsewhere, &disabled];
    for access in ended {
        for program in [&one, &two] {
            ended_within_five_seconds(program, access).await;
        }
    }
    // Redis forgets, then everything is killed and started again.
    assert!(
        redis
            .say("FLUSHALL")
            .is_some_and(|said| said.contains("OK"))
    );
    for access in ended {
        assert_eq!(one.me(access).await, 401);
    }
    one.kill();
    two.kill();
    drop(redis);
    let redis = OwnRedis::start().await;
    for program in [
        Program::start(&app, &redis.url()).await,
        Program::start(&app, &redis.url()).await,
    ] {
        for access in ended {
            ended_within_five_seconds(&program, access).await;
        }
        assert_eq!(program.me(&here).await, 200);
    }
}
