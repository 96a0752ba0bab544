//! The words of the text message.

use common_types::{ClinicRole, ContentRole, Language};

/// Most characters of an organisation's name in a text message.
const NAME_CHARS: usize = 50;

/// Who invites into what, and what to do. The name is somebody's free text, so only letters, digits, spaces and hyphens
/// of it are sent: no invitation carries a link of the inviter's.
pub(super) fn compose(
    language: Language,
    organization: &str,
    clinic: Option<ClinicRole>,
    content: Option<ContentRole>,
    address: Option<&str>,
) -> String {
    let name = clean(organization);
    let role = clinic
        .map(|role| clinic_word(language, role))
        .or_else(|| content.map(|role| content_word(language, role)))
        .unwrap_or_default();
    let text = match language {
        Language::Fa => format!(
            "«{name}» شما را به عنوان {role} به طبیب دعوت کرده است.\nبا همین شماره وارد شوید و دعوت را بپذیرید."
        ),
        Language::Fr => format!(
            "« {name} » vous invite sur Tabib comme {role}.\nConnectez-vous avec ce numéro pour accepter."
        ),
        Language::En => format!(
            "\"{name}\" invites you to Tabib as {role}.\nLog in with this number to accept."
        ),
    };
    match address {
        Some(address) => format!("{text}\n{address}"),
        None => text,
    }
}

fn clean(name: &str) -> String {
    let kept: String = name
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '\u{200c}'))
        .take(NAME_CHARS)
        .collect();
    kept.trim().to_owned()
}

fn clinic_word(language: Language, role: ClinicRole) -> &'static str {
    match (language, role) {
        (Language::Fa, ClinicRole::Admin) => "مدیر",
        (Language::Fa, ClinicRole::Doctor) => "پزشک",
        (Language::Fa, ClinicRole::Secretary) => "منشی",
        (Language::Fa, ClinicRole::Accountant) => "حسابدار",
        (Language::Fr, ClinicRole::Admin) => "administrateur",
        (Language::Fr, ClinicRole::Doctor) => "médecin",
        (Language::Fr, ClinicRole::Secretary) => "secrétaire",
        (Language::Fr, ClinicRole::Accountant) => "comptable",
        (Language::En, ClinicRole::Admin) => "admin",
        (Language::En, ClinicRole::Doctor) => "doctor",
        (Language::En, ClinicRole::Secretary) => "secretary",
        (Language::En, ClinicRole::Accountant) => "accountant",
    }
}

fn content_word(language: Language, role: ContentRole) -> &'static str {
    match (language, role) {
        (Language::Fa, ContentRole::Admin) => "مدیر محتوا",
        (Language::Fa, ContentRole::Editor) => "ویراستار",
        (Language::Fa, ContentRole::Writer) => "نویسنده",
        (Language::Fa, ContentRole::Viewer) => "خواننده",
        (Language::Fr, ContentRole::Admin) => "administrateur de contenu",
        (Language::Fr, ContentRole::Editor) => "éditeur",
        (Language::Fr, ContentRole::Writer) => "rédacteur",
        (Language::Fr, ContentRole::Viewer) => "lecteur",
        (Language::En, ContentRole::Admin) => "content admin",
        (Language::En, ContentRole::Editor) => "editor",
        (Language::En, ContentRole::Writer) => "writer",
        (Language::En, ContentRole::Viewer) => "viewer",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_names_organization_and_role_and_carries_no_foreign_link() {
        for (language, word) in [
            (Language::Fa, "پزشک"),
            (Language::Fr, "médecin"),
            (Language::En, "doctor"),
        ] {
            let name = "کلینیک نور\nhttps://evil.example/x";
            let text = compose(language, name, Some(ClinicRole::Doctor), None, None);
            assert!(text.contains(word) && text.contains("کلینیک نور"), "{text}");
            assert!(
                !text.contains("://") && !text.contains("evil.example"),
                "{text}"
            );
        }
        let text = compose(
            Language::En,
            "A",
            None,
            Some(ContentRole::Writer),
            Some("https://tabib.example/"),
        );
        assert!(text.ends_with("\nhttps://tabib.example/"));
    }
}
