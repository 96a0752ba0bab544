//! The vendors' own packages, unchanged but for the address they call: their requests and ours, field by field.

use common_types::ClinicRole;
use provider_simulators::vendor::Recorded;
use serde_json::{Value, json};
use service_testing::run_vendor_python;

use crate::support::{KAVENEGAR_KEY, Setup, World};

/// Sends what a package posts to its vendor to the simulator instead.
const REDIRECT: &str = r#"
import sys, json, requests
base, key = sys.argv[1], sys.argv[2]
real = requests.post
def post(url, *args, **kwargs):
    for host, path in (("https://api.kavenegar.com", "/kavenegar"), ("https://rest.payamak-panel.com", "/melipayamak")):
        if url.startswith(host):
            url = base + path + url[len(host):]
    return real(url, *args, **kwargs)
requests.post = post
"#;

fn last(world: &World, part: &str) -> Recorded {
    world.simulators.state.recorder.of(part).pop().unwrap()
}

/// Method, path, kind of body and fields; a number may be written as its text.
fn shape(recorded: &Recorded, without: &[&str]) -> Value {
    let mut body = recorded.body.clone();
    if let Some(members) = body.as_object_mut() {
        members.retain(|name, _| !without.contains(&name.as_str()));
        for value in members.values_mut() {
            *value = json!(
                value
                    .as_str()
                    .map_or_else(|| value.to_string(), str::to_lowercase)
            );
        }
    }
    json!([recorded.method, recorded.path, recorded.content_type, body])
}

#[tokio::test]
async fn i06_the_kavenegar_packages_requests_are_ours_field_by_field() {
    let world = World::with_kavenegar().await;
    let token = world.staff(ClinicRole::Secretary);
    let ours = async |body: Value| {
        let answered = world
            .call("POST", "/api/integrations/sms/send/", &token, &body)
            .await;
        assert_eq!(answered.0, 200, "{}", answered.1);
        answered.1
    };
    let script = format!(
        "{REDIRECT}
from kavenegar import KavenegarAPI
api = KavenegarAPI(key)
sent = api.sms_send({{'receptor': '09123456789', 'message': 'سلام', 'sender': '10004346'}})
looked = api.verify_lookup({{'receptor': '09123456789', 'template': 'verify', 'token': '12345'}})
status = api.sms_status({{'messageid': str(sent[0]['messageid'])}})
array = api.sms_sendarray({{'receptor': json.dumps(['09123456789', '09120000010']), 'sender': json.dumps(['10004346'] * 2),
    'message': json.dumps(['یک', 'دو'])}})
info = api.account_info()
print(json.dumps([sent, looked, status, len(array), info]))
"
    );
    let base = world.simulators.base_url.clone();
    let printed = run_vendor_python(&script, &[&base, KAVENEGAR_KEY]).await;
    let printed: Value = serde_json::from_str(printed.trim()).unwrap();
    assert_eq!(
        (&printed[0][0]["message"], &printed[3]),
        (&json!("سلام"), &json!(2))
    );
    assert!(printed[4]["remaincredit"].is_i64());
    let theirs = [
        "sms/send.json",
        "verify/lookup.json",
        "sms/status.json",
        "account/info.json",
    ]
    .map(|part| last(&world, part));
    let simple = ours(json!({"receptor": "09123456789", "message": "سلام"})).await;
    // Ours adds the key by which a repetition is recognised.
    let sent = last(&world, "sms/send.json");
    assert!(sent.body["localid"].is_string());
    assert_eq!(shape(&sent, &["localid"]), shape(&theirs[0], &[]));
    ours(json!({"receptor": "09123456789", "message_type": "otp", "token": "12345"})).await;
    assert_eq!(
        shape(&last(&world, "verify/lookup.json"), &[]),
        shape(&theirs[1], &[])
    );
    let mut world = world;
    world.service.start_worker();
    let id = simple["message_ids"][0].as_i64().unwrap().to_string();
    service_testing::eventually_stepping(
        &world.service.clock,
        chrono::TimeDelta::seconds(5),
        crate::support::SOON,
        async || {
            let asked = world.simulators.state.recorder.of("sms/status.json");
            asked.iter().any(|one| {
                one.body["messageid"]
                    .as_str()
                    .is_some_and(|ids| ids.contains(&id))
                    || one.body["messageid"] == json!(id)
            })
        },
    )
    .await;
    let asked = last(&world, "sms/status.json");
    assert_eq!(
        shape(&asked, &["messageid"]),
        shape(&theirs[2], &["messageid"])
    );
    let path = "/api/integrations/providers/kavenegar/health-check/";
    let token = world.superuser();
    assert_eq!(world.call("GET", path, &token, &Value::Null).await.0, 200);
    let info = last(&world, "account/info.json");
    assert_eq!(
        (&info.method, &info.path),
        (&theirs[3].method, &theirs[3].path)
    );
}

#[tokio::test]
async fn i06_the_melipayamak_packages_requests_are_ours_field_by_field() {
    let world = World::with(Setup {
        vendors: &["melipayamak"],
        ..Setup::default()
    })
    .await;
    let script = format!(
        "{REDIRECT}
from melipayamak.sms.rest import Rest
api = Rest('meli-user', 'meli-password')
sent = api.send('09123456789', '5000400010', 'سلام')
pattern = api.send_by_base_number('12345', '09123456789', 1001)
delivered = api.is_delivered(sent['Value'])
print(json.dumps([sent, pattern, delivered, api.get_credit()]))
"
    );
    let base = world.simulators.base_url.clone();
    let printed = run_vendor_python(&script, &[&base, ""]).await;
    let printed: Value = serde_json::from_str(printed.trim()).unwrap();
    for answer in printed.as_array().unwrap() {
        assert_eq!(answer["RetStatus"], 1, "{printed}");
    }
    let theirs = ["SendSMS/SendSMS", "BaseServiceNumber"].map(|part| last(&world, part));
    let token = world.staff(ClinicRole::Secretary);
    let body = json!({"receptor": "09123456789", "message": "سلام"});
    assert_eq!(
        world
            .call("POST", "/api/integrations/sms/send/", &token, &body)
            .await
            .0,
        200
    );
    assert_eq!(
        shape(&last(&world, "SendSMS/SendSMS"), &[]),
        shape(&theirs[0], &[])
    );
    let body =
        json!({"mobile_number": "09123456789", "message_text": "12345", "template_id": 1001});
    let (status, answered) = world
        .call("POST", "/api/message/send/", &token, &body)
        .await;
    assert_eq!(status, 200, "{answered}");
    assert_eq!(
        shape(&last(&world, "BaseServiceNumber"), &[]),
        shape(&theirs[1], &[])
    );
}

#[tokio::test]
async fn the_twilio_packages_requests_are_ours_and_it_signs_what_we_accept() {
    let world = World::with(Setup {
        vendors: &["twilio"],
        settings: vec![("server.public_url", crate::support::PUBLIC_URL.to_owned())],
        ..Setup::default()
    })
    .await;
    let mut message = crate::support::sms("k1", "synchronous", "otp", "Code : 12345");
    message["to"] = json!("+221771234567");
    let (_, sent) = world.send(&message).await;
    assert_eq!(sent["provider"], "twilio", "{sent}");
    let ours = last(&world, "Messages.json");
    let path = world.callback("twilio", "status").await;
    let url = format!("{}{path}", crate::support::PUBLIC_URL);
    let script = r#"
import sys, json
from twilio.rest import Client
from twilio.request_validator import RequestValidator
base, url, sid = sys.argv[1:4]
client = Client("AC00000000000000000000000000000001", "twilio-token")
client.api.base_url = base + "/twilio"
sent = client.messages.create(to="+221771234567", from_="+15005550006", body="Code : 12345", status_callback=url)
fields = {"MessageSid": sid, "MessageStatus": "delivered", "To": "+221771234567", "AccountSid": "AC00000000000000000000000000000001"}
print(json.dumps([sent.sid, client.messages(sent.sid).fetch().status, fields, RequestValidator("twilio-token").compute_signature(url, fields)]))
"#;
    let sid = world.simulators.state.twilio.taken()[0].id.clone();
    let base = world.simulators.base_url.clone();
    let printed = run_vendor_python(script, &[&base, &url, &sid]).await;
    let printed: Value = serde_json::from_str(printed.trim()).unwrap();
    assert_eq!(
        shape(&ours, &[]),
        shape(&last(&world, "Messages.json"), &[])
    );
    let fields: std::collections::BTreeMap<String, String> =
        serde_json::from_value(printed[2].clone()).unwrap();
    let posted = world
        .service
        .post(&path)
        .header("x-twilio-signature", printed[3].as_str().unwrap())
        .form(&fields);
    assert_eq!(crate::support::answer(posted).await.0, 200);
    assert_eq!(world.state_of("k1").await.as_deref(), Some("delivered"));
}
