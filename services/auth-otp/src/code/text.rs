//! The words of the SMS. The code is the first run of digits, so that phones offer to fill it in.

use std::collections::BTreeMap;

use common_types::Language;

use super::model::{PASSWORD_RESET, PATIENT_ACCESS, PHONE_CHANGE, REPROOF, STEP_UP};

/// The text of a code for its purpose, in the receiver's language. `variables` may hold `doctor_name`.
pub(super) fn compose(
    purpose: &str,
    language: Language,
    code: &str,
    lifetime_seconds: i64,
    variables: &BTreeMap<String, String>,
) -> String {
    let minutes = (lifetime_seconds / 60).max(1);
    if purpose == PATIENT_ACCESS {
        return consent(language, code, minutes, variables);
    }
    let what = title(purpose, language);
    match language {
        Language::Fa => {
            format!("{what}: {code}\nاین کد {minutes} دقیقه اعتبار دارد. آن را به هیچ‌کس ندهید.")
        }
        Language::Fr => {
            format!("{what} : {code}\nValable {minutes} minutes. Ne le donnez à personne.")
        }
        Language::En => {
            format!("{what}: {code}\nValid for {minutes} minutes. Do not give it to anyone.")
        }
    }
}

/// What the code is for: nobody should read one to a caller in the belief that it is another.
fn title(purpose: &str, language: Language) -> &'static str {
    let [fa, fr, en] = match purpose {
        STEP_UP => [
            "کد تأیید کار حساس در طبیب",
            "Code Tabib de confirmation d'une action sensible",
            "Your Tabib code to confirm a sensitive action",
        ],
        PASSWORD_RESET => [
            "کد گذرواژهٔ تازهٔ طبیب",
            "Code Tabib pour un nouveau mot de passe",
            "Your Tabib code to set a new password",
        ],
        REPROOF => [
            "کد اثبات مالکیت این شماره در طبیب",
            "Code Tabib pour confirmer ce numéro",
            "Your Tabib code to confirm this number",
        ],
        PHONE_CHANGE => [
            "کد تغییر شمارهٔ حساب طبیب",
            "Code Tabib de changement de numéro",
            "Your Tabib code to change the number of an account",
        ],
        _ => [
            "کد ورود شما به طبیب",
            "Votre code de connexion Tabib",
            "Your Tabib login code",
        ],
    };
    match language {
        Language::Fa => fa,
        Language::Fr => fr,
        Language::En => en,
    }
}

/// Adds the last line of a Web-OTP message, `@domain #code`; nothing without a domain.
pub(super) fn bind_to_domain(text: &mut String, domain: &str, code: &str) {
    if !domain.is_empty() {
        text.push_str("\n\n@");
        text.push_str(domain);
        text.push_str(" #");
        text.push_str(code);
    }
}

/// Says which doctor asks, for what and for how long: nobody should read a code to a caller unawares.
fn consent(
    language: Language,
    code: &str,
    minutes: i64,
    variables: &BTreeMap<String, String>,
) -> String {
    let doctor = variables
        .get("doctor_name")
        .map(|name| clean(name))
        .filter(|name| !name.is_empty());
    match language {
        Language::Fa => {
            let who = doctor.map_or_else(|| "پزشک شما".to_owned(), |name| format!("دکتر {name}"));
            format!(
                "کد تایید دسترسی به اطلاعات پزشکی شما: {code}\n{who} می‌خواهد تا 24 ساعت خلاصه پزشکی شما را ببیند.\n\
                 این کد فقط {minutes} دقیقه اعتبار دارد."
            )
        }
        Language::Fr => {
            let who =
                doctor.map_or_else(|| "Votre médecin".to_owned(), |name| format!("Dr {name}"));
            format!(
                "Code d'accès à vos informations médicales : {code}\n{who} souhaite voir votre résumé médical \
                 pendant 24 heures.\nCe code est valable {minutes} minutes."
            )
        }
        Language::En => {
            let who = doctor.map_or_else(|| "Your doctor".to_owned(), |name| format!("Dr {name}"));
            format!(
                "Code for access to your medical information: {code}\n{who} asks to see your medical summary \
                 for 24 hours.\nThis code is valid for {minutes} minutes only."
            )
        }
    }
}

/// A name in a text message: one line, short, without a title of its own.
fn clean(name: &str) -> String {
    let name: String = name.chars().filter(|c| !c.is_control()).take(60).collect();
    let name = name.trim();
    ["دکتر ", "Dr ", "Dr. "]
        .iter()
        .find_map(|title| name.strip_prefix(title))
        .unwrap_or(name)
        .trim()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_is_the_first_run_of_digits_in_every_text() {
        let variables = BTreeMap::from([("doctor_name".to_owned(), "رضا 2 احمدی".to_owned())]);
        for purpose in [
            "login_s4",
            "login_s2",
            PATIENT_ACCESS,
            STEP_UP,
            PASSWORD_RESET,
            PHONE_CHANGE,
            REPROOF,
        ] {
            for language in [Language::Fa, Language::Fr, Language::En] {
                let text = compose(purpose, language, "012345", 300, &variables);
                let digits: String = text
                    .chars()
                    .skip_while(|c| !c.is_numeric())
                    .take_while(|c| c.is_numeric())
                    .collect();
                assert_eq!(digits, "012345", "{text}");
            }
        }
    }

    #[test]
    fn the_last_line_binds_the_code_to_the_domain() {
        let mut text = compose("login_s4", Language::En, "012345", 300, &BTreeMap::new());
        let plain = text.clone();
        bind_to_domain(&mut text, "", "012345");
        assert_eq!(text, plain);
        bind_to_domain(&mut text, "app.example.com", "012345");
        assert_eq!(text.lines().last(), Some("@app.example.com #012345"));
    }

    #[test]
    fn the_consent_text_names_the_doctor_once() {
        let variables = BTreeMap::from([("doctor_name".to_owned(), "دکتر مریم\nرضایی".to_owned())]);
        let text = compose(PATIENT_ACCESS, Language::Fa, "123456", 300, &variables);
        assert!(
            text.starts_with("کد تایید دسترسی به اطلاعات پزشکی شما: 123456\nدکتر مریمرضایی "),
            "{text}"
        );
        assert!(text.contains("این کد فقط 5 دقیقه اعتبار دارد."));
    }
}
