//! MeliPayamak's REST service (`rest.payamak-panel.com`; facts in providers.md 2.1). It answers HTTP 200 for everything;
//! a short or negative `Value` is an error even beside `RetStatus` 1. Nothing there is idempotent.

use async_trait::async_trait;
use futures_util::future::join_all;
use serde::Deserialize;
use serde_json::{Value, json};
use service_config::Secret;

use super::{
    MessageProvider, Outgoing, Receipt, SendOutcome, Template, broken_call, dialled, in_order,
};

/// Client of one account.
pub struct MeliPayamak {
    http: reqwest::Client,
    base_url: String,
    username: Secret,
    password: Secret,
    line: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    #[serde(default)]
    value: Value,
    ret_status: i64,
}

/// Codes of a text that is wrong itself: no other day and no other try helps here.
const PERMANENT: [i64; 10] = [7, 14, 15, 16, 17, 18, 35, -2, -5, -10];
/// Receivers of one call, when the text tells how to opt out (code 15 otherwise).
const MOST_RECEIVERS: usize = 100;
const OPT_OUT_WORDS: &str = "لغو11";
/// Identifiers have more digits than any code.
const SHORTEST_ID: usize = 6;

/// Separator of a template's values; it cannot be escaped.
const SEPARATOR: char = ';';

/// Delivery codes (providers.md 2.1, GetDeliveries2).
pub(crate) fn receipt(code: i64) -> Receipt {
    match code {
        1 => Receipt::Delivered,
        2 | 3 | 16 | 35 | 300 | 500 => Receipt::Failed,
        100 => Receipt::Unknown,
        _ => Receipt::Pending,
    }
}

fn words(code: i64) -> &'static str {
    match code {
        0 => "نام کاربری یا رمز عبور اشتباه است",
        2 => "اعتبار کافی نیست",
        3 | 4 | 19 => "محدودیت ارسال",
        5 => "شماره فرستنده معتبر نیست",
        6 => "سامانه در حال به‌روزرسانی است",
        7 => "متن حاوی کلمه فیلتر شده است",
        10 => "کاربر فعال نیست",
        14 | -10 => "متن حاوی لینک است",
        16 | 18 => "شماره گیرنده معتبر نیست",
        35 => "گیرنده در لیست سیاه مخابرات است",
        -4 => "الگوی مورد نظر پیدا نشد",
        -5 => "متغیرها با الگو هم‌خوان نیستند",
        _ => "سرویس پیامک درخواست را نپذیرفت",
    }
}

impl MeliPayamak {
    /// A client at `base_url` (no final slash); `line` is the sender of texts without a template.
    pub fn new(
        http: reqwest::Client,
        base_url: String,
        username: Secret,
        password: Secret,
        line: Option<String>,
    ) -> Self {
        Self {
            http,
            base_url,
            username,
            password,
            line,
        }
    }

    async fn call(&self, method: &str, fields: &[(&str, String)]) -> Result<Answer, SendOutcome> {
        let body = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("username", self.username.expose())
            .append_pair("password", self.password.expose())
            .extend_pairs(fields.iter().map(|(name, value)| (*name, value.as_str())))
            .finish();
        let answer = self
            .http
            .post(format!("{}/api/SendSMS/{method}", self.base_url))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body)
            .send()
            .await
            .map_err(|error| broken_call(&error))?;
        let status = answer.status();
        let bytes = answer.bytes().await.map_err(|_| SendOutcome::Unknown {
            code: "connection_lost",
        })?;
        serde_json::from_slice(&bytes).map_err(|_| SendOutcome::Unknown {
            code: if status.is_server_error() {
                "server_error"
            } else {
                "unreadable"
            },
        })
    }

    fn refused(code: i64) -> SendOutcome {
        SendOutcome::Refused {
            code: format!("melipayamak.{code}"),
            text: words(code).to_owned(),
            retryable: !PERMANENT.contains(&code),
        }
    }

    /// One outcome for each receiver of a call.
    fn outcomes(answer: &Answer, receivers: usize) -> Vec<SendOutcome> {
        let value = match &answer.value {
            Value::String(text) => text.trim().to_owned(),
            other => other.to_string(),
        };
        let ids: Vec<&str> = value.split(',').map(str::trim).collect();
        let good =
            |id: &&str| id.len() >= SHORTEST_ID && id.bytes().all(|byte| byte.is_ascii_digit());
        if answer.ret_status != 1 || !ids.iter().all(good) {
            let code = match (answer.ret_status, value.parse()) {
                (1, Ok(code)) => code,
                (1, Err(_)) => return vec![SendOutcome::Unknown { code: "unreadable" }; receivers],
                (code, _) => code,
            };
            return vec![Self::refused(code); receivers];
        }
        // One id for a whole call names no single message.
        let each = ids.len() == receivers;
        (0..receivers)
            .map(|index| SendOutcome::Accepted {
                provider_message_id: each.then(|| ids[index].to_owned()),
                cost: None,
                delivered: false,
            })
            .collect()
    }

    fn pattern(template: &Template) -> String {
        let values: Vec<String> = in_order(template)
            .into_iter()
            .map(|value| value.replace(SEPARATOR, "؛"))
            .collect();
        values.join(&SEPARATOR.to_string())
    }

    async fn deliver(&self, to: String, text: &str) -> Result<Answer, SendOutcome> {
        let fields = [
            ("to", to),
            ("from", self.line.clone().unwrap_or_default()),
            ("text", text.to_owned()),
            ("isFlash", "false".to_owned()),
        ];
        self.call("SendSMS", &fields).await
    }
}

#[async_trait]
impl MessageProvider for MeliPayamak {
    fn recognises_repetition(&self, _: &Outgoing<'_>) -> bool {
        false
    }

    async fn send(&self, message: &Outgoing<'_>) -> SendOutcome {
        let Some(to) = dialled(message.to) else {
            return Self::refused(18);
        };
        let answer = match message.template {
            Some(template) => {
                let fields = [
                    ("text", Self::pattern(template)),
                    ("to", to),
                    ("bodyId", template.name.clone()),
                ];
                self.call("BaseServiceNumber", &fields).await
            }
            None => self.deliver(to, message.text).await,
        };
        match answer {
            Ok(answer) => Self::outcomes(&answer, 1).remove(0),
            Err(outcome) => outcome,
        }
    }

    fn bulk_limit(&self, text: &str) -> usize {
        if text.contains(OPT_OUT_WORDS) {
            MOST_RECEIVERS
        } else {
            1
        }
    }

    async fn send_bulk(&self, messages: &[Outgoing<'_>]) -> Vec<SendOutcome> {
        let receivers: Option<Vec<String>> = messages.iter().map(|one| dialled(one.to)).collect();
        let (Some(receivers), Some(first)) = (receivers, messages.first()) else {
            return vec![Self::refused(18); messages.len()];
        };
        match self.deliver(receivers.join(","), first.text).await {
            Ok(answer) => Self::outcomes(&answer, messages.len()),
            Err(outcome) => vec![outcome; messages.len()],
        }
    }

    fn gives_receipts(&self) -> bool {
        true
    }

    async fn receipts(&self, ids: &[String]) -> Option<Vec<Receipt>> {
        let asked = ids.iter().map(|id| async move {
            let answer = self
                .call("GetDeliveries2", &[("recId", id.clone())])
                .await
                .ok()?;
            let code = match &answer.value {
                Value::String(text) => text.trim().parse().ok()?,
                other => other.as_i64()?,
            };
            (answer.ret_status == 1).then(|| receipt(code))
        });
        let answers = join_all(asked).await;
        answers.iter().any(Option::is_some).then(|| {
            answers
                .into_iter()
                .map(|one| one.unwrap_or(Receipt::Pending))
                .collect()
        })
    }

    async fn health(&self) -> Result<Value, String> {
        match self.call("GetCredit", &[]).await {
            Ok(answer) if answer.ret_status == 1 => {
                let credit = match &answer.value {
                    Value::String(text) => text.trim().parse::<f64>().ok(),
                    other => other.as_f64(),
                };
                credit
                    .map(|credit| json!({"balance": credit}))
                    .ok_or_else(|| "Invalid response from API".to_owned())
            }
            Ok(answer) => Err(words(answer.ret_status).to_owned()),
            Err(SendOutcome::Unknown {
                code: "unreadable" | "server_error",
            }) => Err("Invalid response from API".to_owned()),
            Err(SendOutcome::Unknown { code }) => Err(format!("Network error: {code}")),
            Err(_) => Err("Network error: the provider cannot be reached".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(value: Value, ret_status: i64) -> Answer {
        Answer { value, ret_status }
    }

    #[test]
    fn a_short_value_beside_status_one_is_an_error() {
        for (value, status, code) in [
            (json!("2"), 1, "melipayamak.2"),
            (json!("-4"), 1, "melipayamak.-4"),
            (json!(-5), 1, "melipayamak.-5"),
            (json!(""), 0, "melipayamak.0"),
            (json!("35"), 35, "melipayamak.35"),
        ] {
            let SendOutcome::Refused { code: said, .. } =
                MeliPayamak::outcomes(&answer(value, status), 1).remove(0)
            else {
                panic!("{code} was taken for a success");
            };
            assert_eq!(said, code);
        }
        assert!(matches!(
            MeliPayamak::outcomes(&answer(json!("queued"), 1), 1)[0],
            SendOutcome::Unknown { .. }
        ));
    }

    #[test]
    fn identifiers_beyond_a_double_stay_whole() {
        let id = "9007199254740993001";
        for value in [json!(id), serde_json::from_str(id).unwrap()] {
            let SendOutcome::Accepted {
                provider_message_id,
                ..
            } = MeliPayamak::outcomes(&answer(value, 1), 1).remove(0)
            else {
                panic!("refused");
            };
            assert_eq!(provider_message_id.as_deref(), Some(id));
        }
    }

    #[test]
    fn values_keep_their_places() {
        let template = Template {
            name: "1".to_owned(),
            tokens: [("token2", "b;c"), ("token", "a"), ("token10", "d")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
        };
        assert_eq!(MeliPayamak::pattern(&template), "a;b؛c;d");
    }
}
