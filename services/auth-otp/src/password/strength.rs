//! Which passwords are refused: short, all digits, like the account's own names, or guessed early (zxcvbn).

use service_http::{ApiError, Text};
use zxcvbn::Score;

use crate::state::AppState;

/// Shorter passwords are refused, in characters (NIST SP 800-63B 3.1.1).
pub const MIN_CHARS: usize = 8;
/// Longer ones are refused, in characters; a passphrase fits many times.
pub const MAX_CHARS: usize = 256;

/// What is wrong with a password, as a field message; `None` when it may be used. `names` are the account's own.
///
/// # Errors
/// When the work could not be done.
pub async fn problem(
    state: &AppState,
    password: &str,
    names: &[&str],
) -> Result<Option<Text>, ApiError> {
    let wanted = state.settings.password.min_score;
    let password = password.to_owned();
    let names: Vec<String> = names
        .iter()
        .filter(|name| name.chars().count() > 2)
        .map(|name| (*name).to_owned())
        .collect();
    // Some milliseconds of dictionary look-ups.
    let judged = tokio::task::spawn_blocking(move || judge(&password, &names, wanted)).await;
    judged.map_err(|error| ApiError::internal(anyhow::Error::new(error)))
}

fn judge(password: &str, names: &[String], wanted: u8) -> Option<Text> {
    let length = password.chars().count();
    if length < MIN_CHARS {
        return Some(Text::i18n(
            format!("گذرواژه کوتاه است؛ دست‌کم {MIN_CHARS} نویسه لازم است."),
            format!(
                "Ce mot de passe est trop court. Il doit contenir au minimum {MIN_CHARS} caractères."
            ),
            format!("This password is too short. It must contain at least {MIN_CHARS} characters."),
        ));
    }
    if length > MAX_CHARS {
        return Some(Text::i18n(
            format!("گذرواژه بلند است؛ حداکثر {MAX_CHARS} نویسه."),
            format!("Ce mot de passe est trop long ({MAX_CHARS} caractères au plus)."),
            format!("This password is too long. It must contain at most {MAX_CHARS} characters."),
        ));
    }
    if common_types::digits::to_ascii(password)
        .bytes()
        .all(|byte| byte.is_ascii_digit())
    {
        return Some(Text::i18n(
            "گذرواژه نباید تنها از رقم باشد.",
            "Ce mot de passe est entièrement numérique.",
            "This password is entirely numeric.",
        ));
    }
    let lower = password.to_lowercase();
    if names.iter().any(|name| lower == name.to_lowercase()) {
        return Some(Text::i18n(
            "گذرواژه نباید همان نام کاربری یا نشانی شما باشد.",
            "Le mot de passe est trop semblable à votre nom d'utilisateur.",
            "The password is too similar to the username.",
        ));
    }
    let inputs: Vec<&str> = names.iter().map(String::as_str).collect();
    let score = zxcvbn::zxcvbn(password, &inputs).score();
    let wanted = Score::try_from(wanted).unwrap_or(Score::Three);
    (score < wanted).then(|| {
        Text::i18n(
            "این گذرواژه به‌آسانی حدس زده می‌شود؛ چند واژهٔ نامربوط را کنار هم بگذارید.",
            "Ce mot de passe est trop facile à deviner ; utilisez plusieurs mots sans rapport.",
            "This password is too common. Use several unrelated words.",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trivial_passwords_are_refused_and_good_ones_are_not() {
        let names = vec!["nargess1990".to_owned(), "nargess@example.com".to_owned()];
        for bad in [
            "",
            "short1!",
            "1234567890123",
            "۱۲۳۴۵۶۷۸۹۰۱۲",
            "password",
            "P@ssw0rd1",
            "qwertyuiop",
            "iloveyou123",
            "nargess1990",
            "NARGESS1990",
            "aaaaaaaaaaaa",
            "abcdefgh12",
        ] {
            assert!(judge(bad, &names, 3).is_some(), "{bad}");
        }
        let long = "x1!".repeat(100);
        assert!(judge(&long, &names, 3).is_some());
        for good in [
            "correct horse battery staple",
            "باران آرام روی بام کاهگلی",
            "tr9!Vq2#mZ7p",
        ] {
            assert!(judge(good, &names, 3).is_none(), "{good}");
        }
    }
}
