//! The words of the SMS. The code is the first run of digits, so that phones offer to fill it in.

use std::collections::BTreeMap;

use common_types::Language;

use super::model::PATIENT_ACCESS;

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
    match language {
        Language::Fa => format!(
            "کد ورود شما به طبیب: {code}\nاین کد {minutes} دقیقه اعتبار دارد. آن را به هیچ‌کس ندهید."
        ),
        Language::Fr => format!(
            "Votre code de connexion Tabib : {code}\nValable {minutes} minutes. Ne le donnez à personne."
        ),
        Language::En => {
            format!(
                "Your Tabib login code: {code}\nValid for {minutes} minutes. Do not give it to anyone."
            )
        }
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
        for purpose in ["login_s4", "login_s2", PATIENT_ACCESS] {
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
