//! What the messages say, in the patient's language (R11, R13).

use common_types::Language;

/// What a message carries; nothing of it is kept.
pub(crate) struct Credentials<'a> {
    pub(crate) full_name: &'a str,
    pub(crate) portal_url: &'a str,
    pub(crate) access_key: &'a str,
    pub(crate) password: &'a str,
}

/// R11, word for word in French.
pub(crate) fn credentials(language: Language, c: &Credentials<'_>) -> String {
    let Credentials {
        full_name,
        portal_url,
        access_key,
        password,
    } = c;
    match language {
        Language::Fr => format!(
            "Bonjour {full_name},\n\
             Vos résultats d'examen sont disponibles.\n\
             Accédez à vos résultats sur : {portal_url}\n\
             Clé d'accès : {access_key}\n\
             Mot de passe : {password}\n\
             ⚠️ IMPORTANT : Ces identifiants sont permanents et réutilisables.\n\
             Conservez-les précieusement pour vos futurs accès."
        ),
        Language::Fa => format!(
            "{full_name} گرامی،\n\
             نتایج آزمایش‌های شما در دسترس است.\n\
             نشانی درگاه: {portal_url}\n\
             کلید دسترسی: {access_key}\n\
             گذرواژه: {password}\n\
             ⚠️ مهم: این کلیدها دائمی و همیشه قابل استفاده‌اند.\n\
             آن‌ها را برای مراجعه‌های بعدی نگه دارید."
        ),
        Language::En => format!(
            "Hello {full_name},\n\
             Your examination results are available.\n\
             See them at: {portal_url}\n\
             Access key: {access_key}\n\
             Password: {password}\n\
             ⚠️ IMPORTANT: these credentials are permanent and reusable.\n\
             Keep them safe for your future visits."
        ),
    }
}

/// Subject of the e-mail that carries the keys.
pub(crate) fn credentials_subject(language: Language) -> &'static str {
    match language {
        Language::Fr => "Vos identifiants d'accès aux résultats",
        Language::Fa => "کلیدهای دسترسی شما به نتایج",
        Language::En => "Your access to your results",
    }
}

/// A new report waits; no word of what it is.
pub(crate) fn report_ready(language: Language, full_name: &str, portal_url: &str) -> String {
    match language {
        Language::Fr => format!(
            "Bonjour {full_name},\nUn nouveau résultat est disponible sur votre espace : {portal_url}\nUtilisez vos identifiants habituels."
        ),
        Language::Fa => format!(
            "{full_name} گرامی،\nنتیجهٔ تازه‌ای در درگاه شما آماده است: {portal_url}\nبا کلید دسترسی همیشگی خود وارد شوید."
        ),
        Language::En => format!(
            "Hello {full_name},\nA new result is available in your portal: {portal_url}\nUse your usual access key."
        ),
    }
}

/// Subject of the e-mail about a new report.
pub(crate) fn report_subject(language: Language) -> &'static str {
    match language {
        Language::Fr => "Nouveau résultat disponible",
        Language::Fa => "نتیجهٔ تازه آماده است",
        Language::En => "A new result is available",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r11_the_french_message_is_the_contracts() {
        let c = Credentials {
            full_name: "Awa Diop",
            portal_url: "http://localhost:5173/patient",
            access_key: "ABC23DEF45GH",
            password: "abc23de4",
        };
        assert_eq!(
            credentials(Language::Fr, &c),
            "Bonjour Awa Diop,\nVos résultats d'examen sont disponibles.\nAccédez à vos résultats sur : http://localhost:5173/patient\nClé d'accès : ABC23DEF45GH\nMot de passe : abc23de4\n⚠️ IMPORTANT : Ces identifiants sont permanents et réutilisables.\nConservez-les précieusement pour vos futurs accès."
        );
        for language in [Language::Fa, Language::En] {
            let text = credentials(language, &c);
            assert!(
                text.contains("ABC23DEF45GH")
                    && text.contains("abc23de4")
                    && text.lines().count() == 7
            );
        }
    }
}
