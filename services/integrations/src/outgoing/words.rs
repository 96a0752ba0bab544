//! What is wrong with a field, in the caller's language.

use service_http::Text;

use super::guard::Forbidden;

/// Why an address is not posted to.
pub(super) fn forbidden(why: &Forbidden) -> Text {
    let (fa, fr) = match why {
        Forbidden::NotAnUrl => ("نشانی معتبری وارد کنید.", "Saisissez une adresse valide."),
        Forbidden::Scheme => (
            "نشانی باید با https:// آغاز شود.",
            "L'adresse doit commencer par https://.",
        ),
        Forbidden::Credentials => (
            "نام کاربری یا گذرواژه نباید در نشانی باشد.",
            "L'adresse ne doit contenir ni nom d'utilisateur ni mot de passe.",
        ),
        Forbidden::Private => (
            "این نشانی به اینترنت همگانی نمی‌رسد.",
            "L'adresse ne mène pas à l'Internet public.",
        ),
    };
    Text::i18n(fa, fr, why.to_string())
}

pub(super) fn email() -> Text {
    Text::i18n(
        "یک نشانی ایمیل معتبر وارد کنید.",
        "Saisissez une adresse e-mail valide.",
        "Enter a valid email address.",
    )
}

/// A number between two bounds, both included.
pub(super) fn between(least: i64, most: i64) -> Text {
    Text::i18n(
        format!("عددی از {least} تا {most} لازم است."),
        format!("Un nombre de {least} à {most} est attendu."),
        format!("A number from {least} to {most} is expected."),
    )
}

pub(super) fn at_most_names(most: usize) -> Text {
    Text::i18n(
        format!("حداکثر {most} نام لازم است."),
        format!("Au plus {most} noms sont attendus."),
        format!("At most {most} names are expected."),
    )
}

pub(super) fn secret() -> Text {
    Text::i18n(
        "whsec_ و سپس ۲۴ تا ۶۴ بایت به Base64 لازم است.",
        "whsec_ et 24 à 64 octets en Base64 sont attendus.",
        "whsec_ and 24 to 64 bytes in Base64 are expected.",
    )
}

pub(super) fn type_name() -> Text {
    Text::i18n(
        "واژه‌های کوچک لاتین با نقطه میان آن‌ها لازم است، مانند lab.sample_taken.",
        "Des mots en minuscules joints par des points sont attendus, comme lab.sample_taken.",
        "Lower-case words joined by dots are expected, such as lab.sample_taken.",
    )
}

pub(super) fn platforms_family(family: &str) -> Text {
    Text::i18n(
        format!("خانوادهٔ {family} از آنِ پلتفرم است."),
        format!("La famille {family} appartient à la plateforme."),
        format!("The family {family} belongs to the platform."),
    )
}

pub(super) fn not_own_type(name: &str) -> Text {
    Text::i18n(
        format!("«{name}» از نوع‌های رویداد خود شما نیست."),
        format!("« {name} » n'est pas un de vos types d'événement."),
        format!("\"{name}\" is none of your own event types."),
    )
}

pub(super) fn bytes_between(least: usize, most: usize) -> Text {
    Text::i18n(
        format!("{least} تا {most} بایت لازم است."),
        format!("{least} à {most} octets sont attendus."),
        format!("{least} to {most} bytes are expected."),
    )
}

pub(super) fn too_much_data() -> Text {
    Text::i18n(
        "حداکثر ۶۴ کیلوبایت JSON لازم است.",
        "Au plus 64 Ko de JSON sont attendus.",
        "At most 64 KB of JSON are expected.",
    )
}

pub(super) fn not_later() -> Text {
    Text::i18n(
        "باید پس از since باشد.",
        "Doit être postérieur à since.",
        "It must be later than since.",
    )
}
