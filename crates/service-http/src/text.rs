//! Words for people: a text in the three languages of the platform, and the catalogue of the
//! messages that every service shares (field errors, refusals of the framework).

use common_types::Language;

/// A text shown to a caller: one literal, or one per language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Text {
    /// The same bytes whatever the caller's language: the literal of a contract.
    Literal(String),
    /// One text per language.
    Translated {
        /// Persian.
        fa: String,
        /// French.
        fr: String,
        /// English.
        en: String,
    },
}

impl Text {
    /// A text in Persian, French and English.
    pub fn i18n(fa: impl Into<String>, fr: impl Into<String>, en: impl Into<String>) -> Self {
        Self::Translated {
            fa: fa.into(),
            fr: fr.into(),
            en: en.into(),
        }
    }

    /// The text in `language`.
    pub fn in_language(&self, language: Language) -> &str {
        match self {
            Self::Literal(text) => text,
            Self::Translated { fa, fr, en } => match language {
                Language::Fa => fa,
                Language::Fr => fr,
                Language::En => en,
            },
        }
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self::Literal(text.to_owned())
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self::Literal(text)
    }
}

/// "This field is required."
pub fn required() -> Text {
    Text::i18n(
        "این فیلد الزامی است.",
        "Ce champ est obligatoire.",
        "This field is required.",
    )
}

/// "This field may not be null."
pub fn not_null() -> Text {
    Text::i18n(
        "این فیلد نمی‌تواند خالی باشد.",
        "Ce champ ne peut être nul.",
        "This field may not be null.",
    )
}

/// "This field may not be blank."
pub fn not_blank() -> Text {
    Text::i18n(
        "این فیلد نمی‌تواند خالی باشد.",
        "Ce champ ne peut être vide.",
        "This field may not be blank.",
    )
}

/// "Not a valid string."
pub fn not_a_string() -> Text {
    Text::i18n(
        "رشتهٔ معتبری نیست.",
        "Chaîne de caractères invalide.",
        "Not a valid string.",
    )
}

/// "A valid integer is required."
pub fn not_an_integer() -> Text {
    Text::i18n(
        "یک عدد صحیح معتبر لازم است.",
        "Un nombre entier valide est requis.",
        "A valid integer is required.",
    )
}

/// "A valid number is required."
pub fn not_a_number() -> Text {
    Text::i18n(
        "یک عدد معتبر لازم است.",
        "Un nombre valide est requis.",
        "A valid number is required.",
    )
}

/// "Must be a valid boolean."
pub fn not_a_boolean() -> Text {
    Text::i18n(
        "باید درست یا نادرست باشد.",
        "Doit être un booléen valide.",
        "Must be a valid boolean.",
    )
}

/// "Must be a valid UUID."
pub fn not_a_uuid() -> Text {
    Text::i18n(
        "باید یک شناسهٔ UUID معتبر باشد.",
        "Doit être un UUID valide.",
        "Must be a valid UUID.",
    )
}

/// `"x" is not a valid choice.`
pub fn not_a_choice(value: &str) -> Text {
    Text::i18n(
        format!("«{value}» گزینهٔ معتبری نیست."),
        format!("« {value} » n'est pas un choix valide."),
        format!("\"{value}\" is not a valid choice."),
    )
}

/// A value of a wrong kind, where nothing better is known.
pub fn invalid_value() -> Text {
    Text::i18n(
        "مقدار معتبری نیست.",
        "Valeur invalide.",
        "Not a valid value.",
    )
}

/// "Ensure this field has no more than {max} characters."
pub fn too_long(max: usize) -> Text {
    Text::i18n(
        format!("این فیلد نباید بیش از {max} نویسه داشته باشد."),
        format!("Assurez-vous que ce champ comporte au plus {max} caractères."),
        format!("Ensure this field has no more than {max} characters."),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_speaks_three_languages() {
        assert_eq!(
            required().in_language(Language::En),
            "This field is required."
        );
        assert_eq!(
            required().in_language(Language::Fr),
            "Ce champ est obligatoire."
        );
        assert_eq!(required().in_language(Language::Fa), "این فیلد الزامی است.");
        assert_eq!(Text::from("x").in_language(Language::Fr), "x");
    }
}
