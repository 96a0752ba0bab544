//! The page on which the payer decides: fa, fr, en, works without scripts.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
    web,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::model::{Payment, PaymentStatus};
use crate::server::Simulators;

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    for slash in ["", "/"] {
        config.service(
            web::resource(format!("/dev/sandbox/pay/{{id}}{slash}"))
                .route(web::get().to(show_payment))
                .route(web::post().to(decide_payment)),
        );
    }
}

/// Words of the page in one language.
pub(crate) struct Words {
    pub(crate) lang: &'static str,
    pub(crate) dir: &'static str,
    title: &'static str,
    sandbox: &'static str,
    amount: &'static str,
    order: &'static str,
    approve: &'static str,
    decline: &'static str,
    paid: &'static str,
    failed: &'static str,
    unknown: &'static str,
    back: &'static str,
}

const WORDS: [Words; 3] = [
    Words {
        lang: "fa",
        dir: "rtl",
        title: "پرداخت",
        sandbox: "درگاه آزمایشی؛ پولی جابه‌جا نمی‌شود.",
        amount: "مبلغ",
        order: "شماره سفارش",
        approve: "پرداخت می‌کنم",
        decline: "انصراف",
        paid: "پرداخت انجام شد.",
        failed: "پرداخت انجام نشد.",
        unknown: "چنین پرداختی وجود ندارد.",
        back: "بازگشت به پذیرنده",
    },
    Words {
        lang: "fr",
        dir: "ltr",
        title: "Paiement",
        sandbox: "Terminal d’essai : aucun argent n’est débité.",
        amount: "Montant",
        order: "Commande",
        approve: "Payer",
        decline: "Refuser",
        paid: "Le paiement est effectué.",
        failed: "Le paiement n’a pas abouti.",
        unknown: "Ce paiement n’existe pas.",
        back: "Retour au site",
    },
    Words {
        lang: "en",
        dir: "ltr",
        title: "Payment",
        sandbox: "Test terminal: no money moves.",
        amount: "Amount",
        order: "Order",
        approve: "Pay",
        decline: "Decline",
        paid: "The payment is done.",
        failed: "The payment did not go through.",
        unknown: "There is no such payment.",
        back: "Back to the merchant",
    },
];

/// `?lang=`, else the first known language of Accept-Language, else Persian.
pub(crate) fn words(request: &HttpRequest, wanted: Option<&str>) -> &'static Words {
    let by_code = |code: &str| WORDS.iter().find(|words| words.lang == code);
    let accepted = request
        .headers()
        .get(header::ACCEPT_LANGUAGE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| {
            value
                .split(',')
                .find_map(|part| by_code(part.trim().get(..2)?))
        });
    wanted.and_then(by_code).or(accepted).unwrap_or(&WORDS[0])
}

fn currency_name(lang: &str, code: &str) -> String {
    match (lang, code) {
        ("fa", "IRR") => "ریال",
        ("fa", "IRT") => "تومان",
        ("fa", "EUR") => "یورو",
        ("fa", "USD") => "دلار",
        ("fa", "XOF") => "فرانک سیفا",
        ("fr" | "en", "XOF") => "FCFA",
        ("fr" | "en", "EUR") => "€",
        _ => code,
    }
    .to_owned()
}

/// Minor units as people write them: grouped, with the currency's decimals, in the language's digits.
fn written(lang: &str, amount: i64, currency: &str) -> String {
    let (whole, cents) = if matches!(currency, "EUR" | "USD") {
        (amount / 100, Some(amount % 100))
    } else {
        (amount, None)
    };
    let (group, point) = match lang {
        "fa" => ('٬', '٫'),
        "fr" => ('\u{202f}', ','),
        _ => (',', '.'),
    };
    let digits = whole.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            text.push(group);
        }
        text.push(digit);
    }
    if let Some(cents) = cents {
        text.push(point);
        text.push_str(&format!("{cents:02}"));
    }
    if lang == "fa" {
        text = text
            .chars()
            .map(|c| {
                c.to_digit(10)
                    .and_then(|digit| char::from_u32(0x06F0 + digit))
                    .unwrap_or(c)
            })
            .collect();
    }
    text
}

/// What the template shows, for a payment of any of the simulators.
pub(crate) fn page(
    words: &Words,
    amount: Option<(i64, &str)>,
    order: &str,
    description: &str,
    outcome: &str,
    back: Option<String>,
) -> Value {
    let links: Vec<Value> = [("fa", "فارسی"), ("fr", "Français"), ("en", "English")]
        .iter()
        .map(|(code, name)| json!({ "code": code, "name": name, "current": *code == words.lang }))
        .collect();
    json!({
        "lang": words.lang, "dir": words.dir, "title": words.title, "sandbox": words.sandbox,
        "amount_label": words.amount, "order_label": words.order, "approve": words.approve, "decline": words.decline,
        "back_label": words.back, "languages": links,
        "amount": amount.map(|(minor, currency)| written(words.lang, minor, currency)),
        "currency": amount.map(|(_, currency)| currency_name(words.lang, currency)),
        "order": order, "description": description,
        "state": outcome,
        "message": match outcome { "paid" => words.paid, "failed" => words.failed, "unknown" => words.unknown, _ => "" },
        "back": back,
    })
}

/// The address to which the browser returns; the words in it are hints, the merchant asks the API.
fn return_url(payment: &Payment) -> String {
    let status = if matches!(
        payment.status,
        PaymentStatus::Failed | PaymentStatus::Pending
    ) {
        "failed"
    } else {
        "paid"
    };
    match url::Url::parse(&payment.callback_url) {
        Ok(mut url) => {
            url.query_pairs_mut()
                .append_pair("provider", "sandbox")
                .append_pair("payment_id", &payment.id)
                .append_pair("order_id", &payment.order_id)
                .append_pair("status", status);
            url.into()
        }
        Err(_) => payment.callback_url.clone(),
    }
}

#[derive(Deserialize)]
struct PageQuery {
    lang: Option<String>,
}

async fn show_payment(
    request: HttpRequest,
    id: web::Path<String>,
    query: web::Query<PageQuery>,
    state: web::Data<Simulators>,
) -> HttpResponse {
    let words = words(&request, query.lang.as_deref());
    let Some(payment) = state.sandbox.find(&id) else {
        return state.pages.answer(
            StatusCode::NOT_FOUND,
            "pay.html",
            page(words, None, "", "", "unknown", None),
        );
    };
    let outcome = match payment.status {
        PaymentStatus::Pending => "pending",
        PaymentStatus::Failed => "failed",
        PaymentStatus::Paid | PaymentStatus::PartiallyRefunded | PaymentStatus::Refunded => "paid",
    };
    let back = (outcome != "pending").then(|| return_url(&payment));
    let shown = Some((payment.amount, payment.currency.as_str()));
    state.pages.answer(
        StatusCode::OK,
        "pay.html",
        page(
            words,
            shown,
            &payment.order_id,
            &payment.description,
            outcome,
            back,
        ),
    )
}

/// `decision=approve` or `decline`.
#[derive(Deserialize)]
pub(crate) struct Decision {
    pub(crate) decision: String,
}

async fn decide_payment(
    request: HttpRequest,
    id: web::Path<String>,
    form: web::Form<Decision>,
    state: web::Data<Simulators>,
) -> HttpResponse {
    let approve = match form.decision.as_str() {
        "approve" => true,
        "decline" => false,
        _ => {
            return HttpResponse::BadRequest()
                .json(json!({"error": "decision must be approve or decline"}));
        }
    };
    match state.sandbox.decide(&id, approve) {
        Ok(Some(payment)) => HttpResponse::SeeOther()
            .insert_header((header::LOCATION, return_url(&payment)))
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .finish(),
        Ok(None) => {
            let words = words(&request, None);
            state.pages.answer(
                StatusCode::NOT_FOUND,
                "pay.html",
                page(words, None, "", "", "unknown", None),
            )
        }
        Err(error) => HttpResponse::ServiceUnavailable().json(json!({"error": error.to_string()})),
    }
}

#[cfg(test)]
mod tests {
    use super::written;

    #[test]
    fn amounts_read_as_people_write_them() {
        assert_eq!(written("fa", 1_250_000, "IRR"), "۱٬۲۵۰٬۰۰۰");
        assert_eq!(written("fr", 125_050, "EUR"), "1\u{202f}250,50");
        assert_eq!(written("en", 999, "IRR"), "999");
        assert_eq!(written("en", 5, "USD"), "0.05");
    }
}
