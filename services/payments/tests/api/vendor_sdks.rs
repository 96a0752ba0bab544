//! The vendors' own packages against the simulators that our clients are tested with (decision 38): a
//! simulator that an unchanged SDK cannot use proves nothing.

use provider_simulators::Options;
use serde_json::Value;
use service_testing::run_vendor_python;

const STRIPE: &str = r#"
import json, sys, stripe
base = sys.argv[1]
stripe.api_key = "checkout-key"
client = stripe.StripeClient("checkout-key", base_addresses={"api": base + "/dev/stripe"})
new = dict(mode="payment", client_reference_id="o1", success_url="https://a.example/ok", cancel_url="https://a.example/no",
    line_items=[dict(quantity=1, price_data=dict(currency="eur", unit_amount=2500, product_data=dict(name="Visit")))])
session = client.v1.checkout.sessions.create(new, dict(idempotency_key="k1"))
again = client.v1.checkout.sessions.create(new, dict(idempotency_key="k1"))
assert again.id == session.id
import urllib.parse, urllib.request
class Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args): return None
opener = urllib.request.build_opener(Stay)
try: opener.open(session.url, data=b"decision=approve")
except urllib.error.HTTPError as answer: assert answer.code == 303
paid = client.v1.checkout.sessions.retrieve(session.id)
refund = client.v1.refunds.create(dict(payment_intent=paid.payment_intent, amount=1000), dict(idempotency_key="r1"))
try:
    client.v1.refunds.create(dict(payment_intent=paid.payment_intent, amount=9999))
    refused = None
except stripe.InvalidRequestError as error: refused = error.http_status
other = client.v1.checkout.sessions.create(new)
expired = client.v1.checkout.sessions.expire(other.id)
try:
    stripe.StripeClient("wrong", base_addresses={"api": base + "/dev/stripe"}).v1.checkout.sessions.retrieve(session.id)
    stranger = None
except stripe.AuthenticationError as error: stranger = error.http_status
print(json.dumps(dict(status=paid.status, payment_status=paid.payment_status, amount=paid.amount_total, refund=refund.status,
    refused=refused, expired=expired.status, stranger=stranger)))
"#;

#[tokio::test(flavor = "multi_thread")]
async fn the_stripe_package_uses_the_simulator_unchanged() {
    let simulators = provider_simulators::spawn(Options::default())
        .await
        .unwrap();
    let said = run_vendor_python(STRIPE, &[&simulators.base_url]).await;
    let said: Value = serde_json::from_str(&said).unwrap();
    let expected = serde_json::json!({
        "status": "complete", "payment_status": "paid", "amount": 2_500, "refund": "succeeded",
        "refused": 400, "expired": "expired", "stranger": 401,
    });
    assert_eq!(said, expected);
}
