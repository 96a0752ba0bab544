//! The words of the alerts.

use common_types::Language;

/// The text of an alert of this kind; `None` for a kind of a newer version.
pub(super) fn compose(kind: &str, language: Language, device: &str) -> Option<String> {
    let device = if device.is_empty() { "?" } else { device };
    let words: [String; 3] = match kind {
        "new_device" => [
            format!("ورود به حساب طبیب شما از دستگاهی تازه: {device}"),
            format!("Connexion à votre compte Tabib depuis un nouvel appareil : {device}"),
            format!("New device logged in to your Tabib account: {device}"),
        ],
        "password_changed" => [
            "گذرواژهٔ حساب طبیب شما تغییر کرد.".to_owned(),
            "Le mot de passe de votre compte Tabib a été modifié.".to_owned(),
            "The password of your Tabib account was changed.".to_owned(),
        ],
        "phone_changed" => [
            "شمارهٔ حساب طبیب شما تغییر کرد و این شماره دیگر به آن راه ندارد.".to_owned(),
            "Votre compte Tabib utilise désormais un autre numéro que celui-ci.".to_owned(),
            "Your Tabib account now uses another number than this one.".to_owned(),
        ],
        "second_factor_on" => [
            "ورود دو مرحله‌ای حساب طبیب شما روشن شد.".to_owned(),
            "La double authentification de votre compte Tabib est activée.".to_owned(),
            "Two-factor login of your Tabib account was turned on.".to_owned(),
        ],
        "second_factor_off" => [
            "ورود دو مرحله‌ای حساب طبیب شما خاموش شد.".to_owned(),
            "La double authentification de votre compte Tabib est désactivée.".to_owned(),
            "Two-factor login of your Tabib account was turned off.".to_owned(),
        ],
        "recovered" => [
            "با کد بازیابی مدیر به حساب طبیب شما وارد شدند.".to_owned(),
            "Un code de récupération d'administrateur a ouvert votre compte Tabib.".to_owned(),
            "An admin's recovery code opened your Tabib account.".to_owned(),
        ],
        _ => return None,
    };
    let advice = match language {
        Language::Fa => "اگر کار شما نبود، همین حالا به درمانگاه خبر دهید.",
        Language::Fr => "Si ce n'est pas vous, prévenez tout de suite votre clinique.",
        Language::En => "If this was not you, tell your clinic at once.",
    };
    let [fa, fr, en] = words;
    let first = match language {
        Language::Fa => fa,
        Language::Fr => fr,
        Language::En => en,
    };
    Some(format!("{first}\n{advice}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_text_in_every_language() {
        use crate::alert::Alert;
        let alerts = [
            Alert::NewDevice {
                device: "Firefox · Linux".to_owned(),
            },
            Alert::PasswordChanged,
            Alert::PhoneChanged,
            Alert::SecondFactorOn,
            Alert::SecondFactorOff,
            Alert::Recovered,
        ];
        for alert in alerts {
            let mut texts: Vec<String> = [Language::Fa, Language::Fr, Language::En]
                .into_iter()
                .map(|language| compose(alert.kind(), language, alert.device()).unwrap())
                .collect();
            assert!(texts.iter().all(|text| text.contains(alert.device())));
            texts.sort_unstable();
            texts.dedup();
            assert_eq!(texts.len(), 3, "{alert:?}");
        }
        assert_eq!(compose("other", Language::En, ""), None);
    }
}
