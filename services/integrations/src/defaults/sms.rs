//! SMS vendors, templates and callback addresses that settings describe.

use chrono::{DateTime, Utc};
use common_types::Language;
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::{Value, json};
use service_auth::tokens;
use service_config::Secret;
use service_db::DbError;
use uuid::Uuid;

use crate::{
    AppState, Settings,
    providers::{Adapter, CarrierSettings},
    schema::{message_templates, providers, sms_callbacks},
};

/// Key under which an e-mail's template stands in the registry.
pub(crate) const EMAIL: &str = "email";

pub(super) struct Vendor<'a> {
    pub(super) slug: &'static str,
    pub(super) name: &'static str,
    pub(super) adapter: Adapter,
    pub(super) base_url: &'a str,
    pub(super) priority: i32,
    pub(super) active: bool,
    pub(super) credentials: Vec<(&'static str, Secret)>,
}

fn given<const N: usize>(
    values: [(&'static str, Option<Secret>); N],
) -> Vec<(&'static str, Secret)> {
    values
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
}

fn plain(value: &Option<String>) -> Option<Secret> {
    value
        .clone()
        .filter(|value| !value.is_empty())
        .map(Secret::new)
}

/// The SMS vendors beside Kavenegar, in the order in which they are tried.
pub(super) fn vendors(settings: &Settings) -> Vec<Vendor<'_>> {
    let (meli, parsian) = (&settings.melipayamak, &settings.parsian);
    let (twilio, orange) = (&settings.twilio, &settings.orange);
    let mut vendors = vec![
        Vendor {
            slug: "melipayamak",
            name: "MeliPayamak",
            adapter: Adapter::MeliPayamak,
            base_url: &meli.base_url,
            priority: 30,
            active: meli.username.is_some() && meli.password.is_some(),
            credentials: given([
                ("username", meli.username.clone()),
                ("password", meli.password.clone()),
                ("from", plain(&meli.from)),
            ]),
        },
        Vendor {
            slug: "parsian",
            name: "Parsian",
            adapter: Adapter::Parsian,
            base_url: &parsian.base_url,
            priority: 40,
            active: parsian.api_key.is_some(),
            credentials: given([("api_key", parsian.api_key.clone())]),
        },
        Vendor {
            slug: "orange",
            name: "Orange",
            adapter: Adapter::Orange,
            base_url: &orange.base_url,
            priority: 50,
            active: orange.client_id.is_some() && orange.client_secret.is_some(),
            credentials: given([
                ("client_id", plain(&orange.client_id)),
                ("client_secret", orange.client_secret.clone()),
                (
                    "sender_address",
                    Some(Secret::new(orange.sender_address.clone())),
                ),
                ("sender_name", plain(&orange.sender_name)),
            ]),
        },
        Vendor {
            slug: "twilio",
            name: "Twilio",
            adapter: Adapter::Twilio,
            base_url: &twilio.base_url,
            priority: 60,
            active: twilio.account_sid.is_some()
                && twilio.auth_token.is_some()
                && (twilio.from.is_some() || twilio.messaging_service_sid.is_some()),
            credentials: given([
                ("account_sid", plain(&twilio.account_sid)),
                ("auth_token", twilio.auth_token.clone()),
                ("from", plain(&twilio.from)),
                (
                    "messaging_service_sid",
                    plain(&twilio.messaging_service_sid),
                ),
            ]),
        },
    ];
    if settings.http_sms.request.is_some() {
        vendors.push(Vendor {
            slug: "http-sms",
            name: "SMS over HTTP",
            adapter: Adapter::HttpSms,
            base_url: "",
            priority: 70,
            active: true,
            credentials: given([("api_key", settings.http_sms.api_key.clone())]),
        });
    }
    vendors
}

/// `providers.settings` of a provider that the settings describe.
pub(super) fn settings_of(state: &AppState, adapter: Adapter) -> Value {
    let settings = &state.settings;
    let prefixes = match adapter {
        Adapter::Kavenegar => &settings.kavenegar.prefixes,
        Adapter::MeliPayamak => &settings.melipayamak.prefixes,
        Adapter::Parsian => &settings.parsian.prefixes,
        Adapter::Twilio => &settings.twilio.prefixes,
        Adapter::Orange => &settings.orange.prefixes,
        Adapter::HttpSms => &settings.http_sms.prefixes,
        Adapter::Smtp => {
            return match &state.mail_authority {
                Some(pem) => json!({"ca_pem": **pem}),
                None => json!({}),
            };
        }
        _ => return json!({}),
    };
    let carrier = CarrierSettings {
        prefixes: prefixes.clone(),
        http: settings
            .http_sms
            .request
            .clone()
            .filter(|_| adapter == Adapter::HttpSms),
        // Its code 14: texts with links are refused.
        forbids_links: adapter == Adapter::MeliPayamak,
        ..CarrierSettings::default()
    };
    serde_json::to_value(carrier).unwrap_or_else(|_| json!({}))
}

/// Texts of our own template keys, by language; the first serves every other language.
const TEXTS: [(&str, [&str; 3]); 3] = [
    (
        "verify",
        [
            "کد تایید شما: %token",
            "Votre code de vérification : %token",
            "Your verification code: %token",
        ],
    ),
    (
        "patient-access-otp",
        [
            "کد دسترسی پزشک به پرونده شما: %token",
            "Code d\u{2019}accès du médecin à votre dossier : %token",
            "Code for your doctor\u{2019}s access to your record: %token",
        ],
    ),
    (
        "otp-login",
        [
            "کد ورود: %token",
            "Code de connexion : %token",
            "Login code: %token",
        ],
    ),
];

/// E-mails of our own template keys: subject and text by language.
const MAILS: [(&str, [(&str, &str); 3]); 3] = [
    (
        "verify",
        [
            ("کد تایید", "کد تایید شما: %token"),
            (
                "Code de vérification",
                "Votre code de vérification : %token",
            ),
            ("Verification code", "Your verification code: %token"),
        ],
    ),
    (
        "portal-credentials",
        [
            (
                "دسترسی شما به پرونده",
                "کلید دسترسی: %token\nرمز عبور: %token2\n\nاین اطلاعات را نزد خود نگه دارید.",
            ),
            (
                "Vos accès à votre dossier",
                "Clé d\u{2019}accès : %token\nMot de passe : %token2\n\nConservez ces informations.",
            ),
            (
                "Your access to your record",
                "Access key: %token\nPassword: %token2\n\nPlease keep them safe.",
            ),
        ],
    ),
    (
        "report-published",
        [
            ("گزارش شما آماده است", "گزارش شما آماده است.\n%token"),
            (
                "Votre compte rendu est disponible",
                "Votre compte rendu est disponible.\n%token",
            ),
            ("Your report is ready", "Your report is ready.\n%token"),
        ],
    ),
];

#[derive(Insertable)]
#[diesel(table_name = message_templates)]
struct NewTemplate {
    id: Uuid,
    key: String,
    provider_slug: &'static str,
    language: &'static str,
    subject: Option<&'static str>,
    value: String,
    updated_at: DateTime<Utc>,
}

/// Writes the registry's own entries where there are none; what an operator changed stays.
pub(super) async fn ensure_templates(
    conn: &mut AsyncPgConnection,
    settings: &Settings,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    let entry = |key: &str, provider_slug, language, subject, value: &str| NewTemplate {
        id: Uuid::now_v7(),
        key: key.to_owned(),
        provider_slug,
        language,
        subject,
        value: value.to_owned(),
        updated_at: now,
    };
    let languages = [Language::Fa, Language::Fr, Language::En].map(Language::as_str);
    let mut wanted = Vec::new();
    for (key, texts) in TEXTS {
        wanted.push(entry(key, "kavenegar", "", None, key));
        wanted.push(entry(key, "", "", None, texts[0]));
        for (language, text) in languages.iter().zip(texts).skip(1) {
            wanted.push(entry(key, "", language, None, text));
        }
    }
    for (key, mails) in MAILS {
        for (language, (subject, text)) in languages.iter().zip(mails) {
            wanted.push(entry(key, EMAIL, language, Some(subject), text));
        }
    }
    for (key, value) in &settings.messages.templates {
        // Names from the environment come in lower case; django-chelseru writes T1 to T9.
        let key = key.to_uppercase();
        for adapter in [Adapter::Parsian, Adapter::MeliPayamak] {
            wanted.push(entry(&key, adapter.as_str(), "", None, value));
        }
    }
    diesel::insert_into(message_templates::table)
        .values(wanted)
        .on_conflict_do_nothing()
        .execute(conn)
        .await
        .map(|_| ())
}

/// Gives every SMS provider an address of its own for receipts and inbound texts.
pub(super) async fn ensure_callbacks(
    conn: &mut AsyncPgConnection,
    state: &AppState,
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    let without: Vec<Uuid> = providers::table
        .filter(providers::provider_type.eq("sms"))
        .filter(diesel::dsl::not(diesel::dsl::exists(
            sms_callbacks::table.filter(sms_callbacks::provider_id.eq(providers::id)),
        )))
        .select(providers::id)
        .load(conn)
        .await?;
    for id in without {
        let secret = tokens::random_alphanumeric(32);
        diesel::insert_into(sms_callbacks::table)
            .values((
                sms_callbacks::provider_id.eq(id),
                sms_callbacks::secret_sealed.eq(state.seal(
                    "sms_callbacks",
                    id,
                    "secret_sealed",
                    secret.as_bytes(),
                )),
                sms_callbacks::created_at.eq(now),
            ))
            .on_conflict_do_nothing()
            .execute(conn)
            .await?;
    }
    Ok(())
}
