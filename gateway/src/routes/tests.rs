use super::*;

const HEAD: &str = r#"
[defaults]
callers = ["user"]
body_bytes = 1000
timeout_ms = 1000
body_timeout_ms = 1000
retry = "safe"
limits = []
language = "en"
shape = "drf"
[limits.slow]
calls = 1
window_seconds = 1
by = "ip"
"#;

fn table(entries: &str) -> Result<RouteTable, TableError> {
    RouteTable::parse(&format!("{HEAD}{entries}"), true)
}

fn prefix_of(table: &RouteTable, path: &str, method: &str) -> Option<String> {
    match table.find(path, method) {
        Found::Route(route) => Some(route.prefix.clone()),
        _ => None,
    }
}

#[test]
fn the_longest_prefix_wins_by_whole_segments() {
    let table = table(
        r#"
[[route]]
prefix = "/api/auth/"
service = "auth-otp"
[[route]]
prefix = "/api/auth/otp/"
service = "auth-otp"
callers = ["public"]
[[route]]
prefix = "/api/payments/"
service = "portal"
[[route]]
prefix = "/chat/{digits}/"
service = "chat"
exact = true
"#,
    )
    .unwrap();
    assert_eq!(
        prefix_of(&table, "/api/auth/otp/request/", "POST").as_deref(),
        Some("/api/auth/otp")
    );
    assert_eq!(
        prefix_of(&table, "/api/auth/otp", "POST").as_deref(),
        Some("/api/auth/otp")
    );
    assert_eq!(
        prefix_of(&table, "/api/auth/otpx/", "GET").as_deref(),
        Some("/api/auth")
    );
    assert_eq!(prefix_of(&table, "/api/authenticate/", "GET"), None);
    assert_eq!(prefix_of(&table, "/api/AUTH/me/", "GET"), None);
    assert_eq!(prefix_of(&table, "/api/", "GET"), None);
    assert_eq!(
        prefix_of(&table, "/chat/12/", "GET").as_deref(),
        Some("/chat/{digits}")
    );
    assert_eq!(
        prefix_of(&table, "/chat/12", "GET").as_deref(),
        Some("/chat/{digits}")
    );
    assert_eq!(prefix_of(&table, "/chat/12/x", "GET"), None);
    assert_eq!(prefix_of(&table, "/chat/room/", "GET"), None);
}

#[test]
fn methods_choose_among_entries_and_the_others_are_named() {
    let table = table(
        r#"
[[route]]
prefix = "/api/things/"
service = "portal"
methods = ["GET"]
callers = ["public"]
[[route]]
prefix = "/api/things/"
service = "portal"
methods = ["POST"]
"#,
    )
    .unwrap();
    let Found::Route(get) = table.find("/api/things/", "HEAD") else {
        panic!()
    };
    assert!(get.is_public());
    let Found::Route(post) = table.find("/api/things/", "POST") else {
        panic!()
    };
    assert!(!post.is_public());
    let Found::MethodNotAllowed(allowed) = table.find("/api/things/", "DELETE") else {
        panic!()
    };
    assert_eq!(
        allowed.into_iter().collect::<Vec<_>>(),
        ["GET", "HEAD", "POST"]
    );
    assert!(matches!(
        table.find("/api/things/", "TRACE"),
        Found::MethodNotAllowed(_)
    ));
}

#[test]
fn mistakes_are_refused_by_name() {
    for (entries, part) in [
        (
            "[[route]]\nprefix = \"/internal/x\"\nservice = \"portal\"",
            "internal routes",
        ),
        (
            "[[route]]\nprefix = \"/api/INTERNAL/x\"\nservice = \"portal\"",
            "internal routes",
        ),
        (
            "[[route]]\nprefix = \"/{segment}/x\"\nservice = \"portal\"",
            "plain name",
        ),
        (
            "[[route]]\nprefix = \"/a/../b\"\nservice = \"portal\"",
            "segment `..`",
        ),
        (
            "[[route]]\nprefix = \"/a%2fb\"\nservice = \"portal\"",
            "segment `a%2fb`",
        ),
        (
            "[[route]]\nprefix = \"/a\"\nservice = \"nobody\"",
            "unknown service `nobody`",
        ),
        (
            "[[route]]\nprefix = \"/a\"\nservice = \"portal\"\nlimits = [\"x\"]",
            "unknown limit `x`",
        ),
        (
            "[[route]]\nprefix = \"/a\"\nservice = \"portal\"\ncallers = [\"public\",\"user\"]",
            "`public` alone",
        ),
        (
            "[[route]]\nprefix = \"/a\"\nservice = \"portal\"\ncallers = [\"service\"]",
            "unknown variant `service`",
        ),
        (
            "[[route]]\nprefix = \"/a\"\nservice = \"portal\"\nmethods = [\"CONNECT\"]",
            "`CONNECT`",
        ),
        (
            "[[route]]\nprefix = \"/a\"\nservice = \"portal\"\ntimeout = 3",
            "unknown field `timeout`",
        ),
        (
            "[[route]]\nprefix = \"/a\"\nservice = \"portal\"\n[[route]]\nprefix = \"/a/\"\nservice = \"chat\"",
            "twice",
        ),
    ] {
        let error = table(entries).unwrap_err().to_string();
        assert!(error.contains(part), "{entries}: {error}");
    }
}

#[test]
fn the_embedded_table_stands() {
    let development = RouteTable::parse(EMBEDDED, true).unwrap();
    let production = RouteTable::parse(EMBEDDED, false).unwrap();
    assert_eq!(
        prefix_of(&development, "/dev/inbox/", "GET").as_deref(),
        Some("/dev")
    );
    assert_eq!(prefix_of(&production, "/dev/inbox/", "GET"), None);
    for (path, method, service, public) in [
        ("/api/auth/otp/request/", "POST", "auth-otp", true),
        ("/api/auth/otp/verify/", "POST", "auth-otp", true),
        ("/api/otp/send/", "POST", "auth-otp", true),
        ("/api/auth/token/", "POST", "auth-otp", true),
        ("/api/auth/token/refresh/", "POST", "auth-otp", true),
        ("/api/auth/me/", "GET", "auth-otp", false),
        ("/api/auth/admin-stats/", "GET", "portal", false),
        ("/api/v1/auth/otp/verify", "POST", "auth-otp", true),
        ("/api/v1/users/me", "GET", "auth-otp", false),
        ("/.well-known/jwks.json", "GET", "auth-otp", true),
        (
            "/crazyminer/patient/request/",
            "POST",
            "patient-access",
            false,
        ),
        (
            "/crazyminer/patient/soapify-payment/",
            "POST",
            "payments",
            false,
        ),
        ("/crazyminer/payment/callback/", "POST", "payments", true),
        ("/crazyminer/payment/list/", "GET", "payments", false),
        ("/crazyminer/wallet/", "GET", "payments", false),
        ("/api/payment/create/", "POST", "payments", false),
        ("/api/payment/verify/", "GET", "payments", true),
        ("/api/payments/", "GET", "portal", false),
        ("/api/v1/payments/", "POST", "payments", false),
        ("/api/v1/payments/return/", "GET", "payments", true),
        ("/api/patients/portal/login/", "POST", "portal", true),
        ("/api/patients/access/generate/", "POST", "portal", false),
        ("/api/invoices/1/download_pdf/", "GET", "portal", false),
        ("/api/reports/patient-login/", "POST", "portal", true),
        ("/api/contents/", "GET", "content", false),
        ("/api/v1/contents", "GET", "content", false),
        (
            "/api/integrations/webhook/payment-status/",
            "POST",
            "integrations",
            true,
        ),
        ("/api/integrations/webhooks/", "GET", "integrations", false),
        ("/api/integrations/providers/", "GET", "integrations", false),
        ("/v1/chat/completions", "POST", "integrations", false),
        ("/api/chat/chatrooms/", "GET", "chat", false),
        ("/api/chat/summaries/latest/1/", "GET", "chat", false),
        ("/api/users/by-phone/09120000000/", "GET", "chat", false),
        ("/api/message/send/", "POST", "integrations", false),
        ("/api/message/file/upload/", "POST", "chat", false),
        ("/ws/chat/1/", "GET", "chat", false),
        ("/chat/1/", "GET", "chat", false),
        ("/api/admin/payments/outbox/", "GET", "payments", false),
    ] {
        let Found::Route(route) = production.find(path, method) else {
            panic!("{path} is not routed")
        };
        assert_eq!(
            (route.service_name(), route.is_public()),
            (service, public),
            "{path}"
        );
    }
    for path in [
        "/internal/revocations",
        "/api/internal/x",
        "/health/ready",
        "/metrics",
        "/openapi.json",
        "/contents",
    ] {
        assert!(
            matches!(production.find(path, "GET"), Found::None),
            "{path}"
        );
    }
    assert!(
        is_api("/api/nothing") && is_api("/internal/x") && !is_api("/apix") && !is_api("/contents")
    );
}
