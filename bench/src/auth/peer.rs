//! django-chelseru from PyPI behind gunicorn, on the same PostgreSQL. Nothing leaves the machine: its call to the SMS provider
//! is answered at once, and the call to its author's server that it makes while a new person waits takes [`CALL_MS`].

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tokio::process::Command;

use super::postgres::Postgres;
use crate::load::{self, Request};
use crate::process::{Process, free_port};

const PACKAGES: [&str; 3] = ["django-chelseru==3.1.2", "gunicorn", "psycopg[binary]"];
const CONNECTIONS: usize = 8;
/// A new TLS connection and one request over it are three round trips; a hundred milliseconds each is a server on another
/// continent. The call takes no processor time here.
pub(super) const CALL_MS: u64 = 300;
const SETTINGS: &str = r#"
SECRET_KEY = "a key of the benchmark, at least thirty-two bytes"
DEBUG = False
ALLOWED_HOSTS = ["*"]
USE_TZ = True
ROOT_URLCONF = "urls"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions", "channels",
    "rest_framework", "rest_framework_simplejwt", "drfchelseru"]
MIDDLEWARE = ["django.middleware.common.CommonMiddleware"]
REST_FRAMEWORK = {"DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework_simplejwt.authentication.JWTAuthentication"]}
DATABASES = {"default": {"ENGINE": "django.db.backends.postgresql", "NAME": "chelseru", "USER": "@USER@",
    "HOST": "127.0.0.1", "PORT": "@PORT@", "CONN_MAX_AGE": 600}}
DJANGO_CHELSERU = {
    "AUTH": {"AUTH_METHOD": "OTP", "AUTH_SERVICE": "rest_framework_simplejwt",
        "OPTIONS": {"OTP_LENGTH": 8, "OTP_EXPIRE_PER_MINUTES": 4, "OTP_SMS_TEMPLATE_ID": 1}},
    "SMS": {"SMS_SERVICE": "KAVENEGAR_COM",
        "SETTINGS": {"KAVENEGAR_COM_API_KEY": "none", "KAVENEGAR_COM_FROM": "1"}, "TEMPLATES": {"T1": 1}},
    "BANK": {"GATEWAY": "ZARINPAL_COM", "SETTINGS": {"MERCHANT_ID": "x", "CALLBACK_URL": "http://127.0.0.1/", "CURRENCY": "IRT"}},
}
"#;
const URLS: &str = "from django.urls import include, path\nurlpatterns = [path('api/', include('drfchelseru.urls'))]\n";
/// The two named stubs: the provider takes every message at once, and the author's server answers after a while.
const WSGI: &str = "import os\nos.environ['DJANGO_SETTINGS_MODULE'] = 'settings'\n\
     from django.core.wsgi import get_wsgi_application\napplication = get_wsgi_application()\n\
     import drfchelseru.views.sms_views as views\n\
     views.send_message = lambda *args, **kwargs: (True, {'data': {}, 'obj_status': 1, 'status': 200})\n\
     import time, types\nimport drfchelseru.signals as signals\nwait = float(os.environ['CALL_MS']) / 1000\n\
     signals.requests = types.SimpleNamespace(post=lambda **kwargs: time.sleep(wait))\n";

/// The running peer.
pub(super) struct Peer<'a> {
    process: Process,
    postgres: &'a Postgres,
    python: PathBuf,
}

impl<'a> Peer<'a> {
    pub(super) async fn start(folder: &Path, postgres: &'a Postgres) -> Result<Self> {
        let python = environment().await?;
        let project = folder.join("chelseru");
        std::fs::create_dir(&project)?;
        let settings = SETTINGS
            .replace("@USER@", postgres.user())
            .replace("@PORT@", &postgres.port().to_string());
        std::fs::write(project.join("settings.py"), settings)?;
        std::fs::write(project.join("urls.py"), URLS)?;
        std::fs::write(project.join("wsgi.py"), WSGI)?;
        postgres.create("chelseru").await?;
        let migrated = command(&python, &project, CALL_MS)
            .args(["-m", "django", "migrate", "-v", "0"])
            .output()
            .await?;
        ensure!(
            migrated.status.success(),
            "its migration failed: {}",
            String::from_utf8_lossy(&migrated.stderr)
        );
        let process = serve(&python, folder, CALL_MS).await?;
        Ok(Self {
            process,
            postgres,
            python,
        })
    }

    /// New people per second when the author's server answers at once.
    pub(super) async fn without_call(&self, folder: &Path, count: usize) -> Result<f64> {
        let process = serve(&self.python, folder, 0).await?;
        let quick = Peer {
            process,
            postgres: self.postgres,
            python: self.python.clone(),
        };
        quick.log_in_as("0915", count, true).await
    }

    /// Codes sent per second, the table empty.
    pub(super) async fn send(&self, count: usize) -> Result<f64> {
        let requests = (0..count)
            .map(|n| Request {
                path: "/api/otp/send/".to_owned(),
                body: format!("{{\"mobile_number\":\"0911{n:07}\"}}"),
                headers: Vec::new(),
            })
            .collect();
        let figures = self
            .run(requests, |body| {
                body["details"] == "The OTP code was sent correctly."
            })
            .await?;
        let stored = self
            .postgres
            .sql("chelseru", "SELECT count(*) FROM drfchelseru_otpcode")
            .await?;
        ensure!(stored == count.to_string(), "{stored} codes of {count}");
        Ok(figures)
    }

    /// Logins per second, of people who are new or of people who are there already.
    pub(super) async fn log_in(&self, count: usize, new: bool) -> Result<f64> {
        let prefix = if new { "0913" } else { "0914" };
        self.log_in_as(prefix, count, new).await
    }

    async fn log_in_as(&self, prefix: &str, count: usize, new: bool) -> Result<f64> {
        let insert = |prefix: &str, count: usize| {
            format!(
                "DELETE FROM drfchelseru_otpcode; INSERT INTO drfchelseru_otpcode (code, mobile_number, created_at) \
                 SELECT '12345678', '{prefix}' || lpad(n::text, 7, '0'), now() FROM generate_series(0, {count} - 1) n"
            )
        };
        if !new {
            // As its own signal makes them.
            let people = format!(
                "WITH made AS (INSERT INTO auth_user (password, is_superuser, username, first_name, last_name, email, is_staff, \
                 is_active, date_joined) SELECT '', false, 'G0-{prefix}' || lpad(n::text, 7, '0'), '', '', '', false, true, now() \
                 FROM generate_series(0, {count} - 1) n RETURNING id, username) \
                 INSERT INTO drfchelseru_user (user_id, mobile, \"group\") SELECT id, substr(username, 4), 0 FROM made"
            );
            self.postgres.sql("chelseru", &people).await?;
        }
        self.postgres
            .sql("chelseru", &insert(prefix, count))
            .await?;
        let requests = (0..count)
            .map(|n| Request {
                path: "/api/authenticate/".to_owned(),
                body: format!("{{\"mobile_number\":\"{prefix}{n:07}\",\"code\":\"12345678\"}}"),
                headers: Vec::new(),
            })
            .collect();
        let rate = self
            .run(requests, |body| {
                body["access"].is_string() && body["refresh"].is_string()
            })
            .await?;
        let people = self
            .postgres
            .sql(
                "chelseru",
                &format!("SELECT count(*) FROM drfchelseru_user WHERE mobile LIKE '{prefix}%'"),
            )
            .await?;
        ensure!(people == count.to_string(), "{people} people of {count}");
        Ok(rate)
    }

    async fn run(
        &self,
        requests: Vec<Request>,
        is_right: impl Fn(&Value) -> bool + Copy + Send + Sync + 'static,
    ) -> Result<f64> {
        let list = Mutex::new(requests);
        let next = Arc::new(move || list.lock().ok().and_then(|mut list| list.pop()));
        let right = (200, is_right);
        let figures = load::run(self.process.address, CONNECTIONS, None, next, right).await?;
        Ok(figures.per_second)
    }
}

/// Its Python in its project, with nothing of this process's environment.
fn command(python: &Path, project: &Path, call_ms: u64) -> Command {
    // Whatever else it may call meets a closed port.
    let closed = "http://127.0.0.1:9";
    let mut command = Command::new(python);
    command
        .current_dir(project)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("PYTHONPATH", project)
        .env("DJANGO_SETTINGS_MODULE", "settings")
        .env("HTTP_PROXY", closed)
        .env("HTTPS_PROXY", closed)
        .env("CALL_MS", call_ms.to_string())
        .kill_on_drop(true);
    command
}

/// gunicorn with three workers.
async fn serve(python: &Path, folder: &Path, call_ms: u64) -> Result<Process> {
    let port = free_port().await?;
    let bind = format!("127.0.0.1:{port}");
    let mut serve = command(python, &folder.join("chelseru"), call_ms);
    serve.args(["-m", "gunicorn", "-w", "3", "-b", &bind]);
    serve.args(["--log-level", "error", "wsgi:application"]);
    let log = folder.join(format!("chelseru-{port}.log"));
    Process::start(serve, port, &log).await
}

/// The interpreter of a virtual environment under `target/bench`, made when it is not there.
async fn environment() -> Result<PathBuf> {
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
    let folder = std::path::absolute(target.join("bench/chelseru"))?;
    let python = folder.join("bin/python");
    let ready = folder.join("ready");
    if std::fs::read_to_string(&ready).is_ok_and(|text| text == PACKAGES.join("\n")) {
        return Ok(python);
    }
    let run = async |program: &Path, arguments: &[&str]| -> Result<()> {
        let output = Command::new(program).args(arguments).output().await?;
        ensure!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
        Ok(())
    };
    let folder_text = folder.to_str().context("an unreadable path")?;
    run(Path::new("python3"), &["-m", "venv", folder_text])
        .await
        .context("no virtual environment")?;
    let mut arguments = vec!["-m", "pip", "install", "--quiet"];
    arguments.extend(PACKAGES);
    run(&python, &arguments).await.context("pip")?;
    std::fs::write(ready, PACKAGES.join("\n"))?;
    Ok(python)
}
