//! Any HTTP service that sends texts, described by the provider's settings: address, method, headers, body, and what counts
//! as success. Values are written in the form that their place wants (URL, JSON or form), so that no receiver and no text
//! can change the request's shape.

use std::collections::BTreeMap;

use async_trait::async_trait;
use minijinja::{Environment, Output, Value as Variable};
use reqwest::{
    Method,
    header::{HeaderMap, HeaderName, HeaderValue},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{MessageProvider, Outgoing, SendOutcome, broken_call, dialled};

/// `settings.http` of a provider. `{{ to }}` (E.164), `{{ to_digits }}`, `{{ to_local }}` (`09…` or `00…`), `{{ text }}`,
/// `{{ message_id }}`, `{{ template }}`, `{{ token }}` … and every credential of the provider by its key name may stand in
/// `url`, `headers` and `body`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct HttpSmsSettings {
    /// Address; http(s).
    pub url: String,
    /// `POST` (default), `PUT` or `GET`.
    #[serde(default = "post")]
    pub method: String,
    /// More headers.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// `application/json` (default) or `application/x-www-form-urlencoded`.
    #[serde(default = "json_type")]
    pub content_type: String,
    /// Body; none for `GET`. In JSON a placeholder stands without quotes around it: `{"to": {{ to }}}`.
    #[serde(default)]
    pub body: String,
    /// When the message was taken.
    #[serde(default)]
    pub success: SuccessRule,
    /// JSON pointer (RFC 6901) to the message's id in the answer.
    #[serde(default)]
    pub id_pointer: Option<String>,
    /// JSON pointer to the provider's words of refusal.
    #[serde(default)]
    pub error_pointer: Option<String>,
}

/// When an answer means that the message was taken.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct SuccessRule {
    /// HTTP statuses; empty: 200 to 299.
    #[serde(default)]
    pub statuses: Vec<u16>,
    /// JSON pointer to a member that must be one of `values`.
    #[serde(default)]
    pub pointer: Option<String>,
    /// What stands there on success.
    #[serde(default)]
    pub values: Vec<Value>,
}

fn post() -> String {
    "POST".to_owned()
}

fn json_type() -> String {
    "application/json".to_owned()
}

/// Where a value stands.
#[derive(Clone, Copy)]
enum Place {
    Url,
    Header,
    Json,
    Form,
}

/// Client of one such service.
pub struct HttpSms {
    http: reqwest::Client,
    settings: HttpSmsSettings,
    method: Method,
    credentials: BTreeMap<String, String>,
}

fn encode(place: Place, text: &str) -> String {
    match place {
        Place::Url | Place::Form => url::form_urlencoded::byte_serialize(text.as_bytes())
            .collect::<String>()
            .replace('+', "%20"),
        Place::Header => text.chars().filter(|c| !c.is_control()).collect(),
        Place::Json => Value::from(text).to_string(),
    }
}

fn render(
    place: Place,
    template: &str,
    variables: &BTreeMap<&str, String>,
) -> Result<String, minijinja::Error> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(minijinja::UndefinedBehavior::Strict);
    environment.set_formatter(move |out: &mut Output<'_>, _, value: &Variable| {
        let text = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        out.write_str(&encode(place, &text))
            .map_err(minijinja::Error::from)
    });
    environment.render_str(template, variables)
}

impl HttpSms {
    /// A client by configuration.
    ///
    /// # Errors
    /// What is wrong with the settings; the text holds no credential.
    pub fn new(
        http: reqwest::Client,
        settings: HttpSmsSettings,
        credentials: BTreeMap<String, String>,
    ) -> Result<Self, String> {
        let method = match settings.method.as_str() {
            "POST" => Method::POST,
            "PUT" => Method::PUT,
            "GET" => Method::GET,
            _ => return Err("http.method must be POST, PUT or GET".to_owned()),
        };
        if !matches!(
            settings.content_type.as_str(),
            "application/json" | "application/x-www-form-urlencoded"
        ) {
            return Err("http.content_type must be JSON or a form".to_owned());
        }
        if !settings.url.starts_with("https://") && !settings.url.starts_with("http://") {
            return Err("http.url must be an http(s) address".to_owned());
        }
        let client = Self {
            http,
            settings,
            method,
            credentials,
        };
        // A placeholder that nothing fills shows now and not with the first patient.
        let probe = Outgoing {
            message_id: uuid::Uuid::nil(),
            channel: common_types::internal::integrations::Channel::Sms,
            to: "+989120000000",
            subject: None,
            text: "text",
            html: None,
            template: None,
        };
        client
            .request(&probe)
            .map_err(|_| "the settings of http hold an unknown placeholder".to_owned())?;
        Ok(client)
    }

    fn variables<'a>(&'a self, message: &'a Outgoing<'_>) -> BTreeMap<&'a str, String> {
        let mut all: BTreeMap<&str, String> = self
            .credentials
            .iter()
            .map(|(name, value)| (name.as_str(), value.clone()))
            .collect();
        for name in [
            "template", "token", "token2", "token3", "token10", "token20",
        ] {
            all.insert(name, String::new());
        }
        if let Some(template) = message.template {
            all.insert("template", template.name.clone());
            for (name, value) in &template.tokens {
                all.insert(name, value.clone());
            }
        }
        all.insert("to", message.to.to_owned());
        all.insert("to_digits", message.to.trim_start_matches('+').to_owned());
        all.insert("to_local", dialled(message.to).unwrap_or_default());
        all.insert("text", message.text.to_owned());
        all.insert("message_id", message.message_id.to_string());
        all
    }

    fn request(&self, message: &Outgoing<'_>) -> Result<reqwest::Request, String> {
        let words = |error: minijinja::Error| error.kind().to_string();
        let variables = self.variables(message);
        let address = render(Place::Url, &self.settings.url, &variables).map_err(words)?;
        let mut headers = HeaderMap::new();
        for (name, template) in &self.settings.headers {
            let value = render(Place::Header, template, &variables).map_err(words)?;
            let name: HeaderName = name.parse().map_err(|_| "a header's name".to_owned())?;
            let mut value =
                HeaderValue::from_str(&value).map_err(|_| "a header's value".to_owned())?;
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        let mut request = self
            .http
            .request(self.method.clone(), address)
            .headers(headers);
        if self.method != Method::GET {
            let place = if self.settings.content_type == "application/json" {
                Place::Json
            } else {
                Place::Form
            };
            let body = render(place, &self.settings.body, &variables).map_err(words)?;
            request = request
                .header("content-type", &self.settings.content_type)
                .body(body);
        }
        request.build().map_err(|_| "the address".to_owned())
    }

    fn read(&self, status: u16, bytes: &[u8]) -> SendOutcome {
        let rule = &self.settings.success;
        let expected = if rule.statuses.is_empty() {
            (200..300).contains(&status)
        } else {
            rule.statuses.contains(&status)
        };
        let document: Option<Value> = serde_json::from_slice(bytes).ok();
        let at = |pointer: &Option<String>| {
            let found = document.as_ref()?.pointer(pointer.as_deref()?)?;
            Some(
                found
                    .as_str()
                    .map_or_else(|| found.to_string(), str::to_owned),
            )
        };
        if expected {
            let Some(pointer) = &rule.pointer else {
                return self.accepted(at(&self.settings.id_pointer));
            };
            return match document.as_ref().map(|document| document.pointer(pointer)) {
                Some(Some(value)) if rule.values.contains(value) => {
                    self.accepted(at(&self.settings.id_pointer))
                }
                Some(_) => self.refused(status, at(&self.settings.error_pointer)),
                None => SendOutcome::Unknown { code: "unreadable" },
            };
        }
        if status >= 500 {
            return SendOutcome::Unknown {
                code: "server_error",
            };
        }
        self.refused(status, at(&self.settings.error_pointer))
    }

    fn accepted(&self, id: Option<String>) -> SendOutcome {
        SendOutcome::Accepted {
            provider_message_id: id,
            cost: None,
            delivered: false,
        }
    }

    /// 400, 413 and 422 speak of the message; everything else of the account, the service or the hour.
    fn refused(&self, status: u16, words: Option<String>) -> SendOutcome {
        SendOutcome::Refused {
            code: format!("http.{status}"),
            text: words.unwrap_or_else(|| "the provider refused the message".to_owned()),
            retryable: !matches!(status, 400 | 413 | 422),
        }
    }
}

#[async_trait]
impl MessageProvider for HttpSms {
    fn recognises_repetition(&self, _: &Outgoing<'_>) -> bool {
        false
    }

    async fn send(&self, message: &Outgoing<'_>) -> SendOutcome {
        let Ok(request) = self.request(message) else {
            return SendOutcome::Refused {
                code: "http.settings".to_owned(),
                text: "the provider's settings make no request".to_owned(),
                retryable: true,
            };
        };
        let answer = match self.http.execute(request).await {
            Ok(answer) => answer,
            Err(error) => return broken_call(&error),
        };
        let status = answer.status().as_u16();
        match answer.bytes().await {
            Ok(bytes) => self.read(status, &bytes),
            Err(_) => SendOutcome::Unknown {
                code: "connection_lost",
            },
        }
    }

    /// There is no free call to make: that the address answers at all is what can be said.
    async fn health(&self) -> Result<Value, String> {
        let origin = url::Url::parse(&self.settings.url)
            .map_err(|_| "the address cannot be read".to_owned())?
            .origin()
            .ascii_serialization();
        match self.http.head(origin).send().await {
            Ok(answer) => Ok(json!({"details": {"http_status": answer.status().as_u16()}})),
            Err(_) => Err("Network error: the provider cannot be reached".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_leaves_its_place() {
        let hostile = "a\", \"admin\": \"1&to=2\r\nX: y {{ to }}";
        let variables = BTreeMap::from([("text", hostile.to_owned())]);
        let json = render(Place::Json, "{\"t\": {{ text }}}", &variables).unwrap();
        assert_eq!(
            serde_json::from_str::<Value>(&json).unwrap(),
            json!({"t": hostile})
        );
        let form = render(Place::Form, "t={{ text }}", &variables).unwrap();
        let read: Vec<(String, String)> = url::form_urlencoded::parse(form.as_bytes())
            .into_owned()
            .collect();
        assert_eq!(read, [("t".to_owned(), hostile.to_owned())]);
        let header = render(Place::Header, "{{ text }}", &variables).unwrap();
        assert!(!header.contains(['\r', '\n']));
        assert!(
            !render(Place::Url, "/{{ text }}", &variables)
                .unwrap()
                .contains('&')
        );
        assert!(render(Place::Url, "/{{ nothing }}", &variables).is_err());
    }

    #[test]
    fn success_is_what_the_rule_says() {
        let settings: HttpSmsSettings = serde_json::from_value(json!({
            "url": "https://sms.example/send", "body": "{}", "id_pointer": "/data/id", "error_pointer": "/why",
            "success": {"pointer": "/ok", "values": [true, "yes"]},
        }))
        .unwrap();
        let client = HttpSms::new(reqwest::Client::new(), settings, BTreeMap::new()).unwrap();
        let read = |status, body: &str| client.read(status, body.as_bytes());
        assert_eq!(
            read(200, r#"{"ok": "yes", "data": {"id": 7}}"#),
            SendOutcome::Accepted {
                provider_message_id: Some("7".to_owned()),
                cost: None,
                delivered: false
            }
        );
        assert!(
            matches!(read(200, r#"{"ok": false, "why": "no"}"#), SendOutcome::Refused { text, .. } if text == "no")
        );
        assert!(matches!(read(200, "<html>"), SendOutcome::Unknown { .. }));
        assert!(matches!(read(503, "{}"), SendOutcome::Unknown { .. }));
        assert!(matches!(
            read(422, "{}"),
            SendOutcome::Refused {
                retryable: false,
                ..
            }
        ));
        assert!(matches!(
            read(429, "{}"),
            SendOutcome::Refused {
                retryable: true,
                ..
            }
        ));
    }
}
