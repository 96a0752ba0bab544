//! The French texts of this tree, with their typographic bytes (cimef.md 0).

use service_http::ApiError;

/// No-break space, as Django's French texts have it.
const NB: &str = "\u{a0}";

pub(crate) const REQUIRED: &str = "Ce champ est obligatoire.";
pub(crate) const BLANK: &str = "Ce champ ne peut être vide.";
pub(crate) const NULL: &str = "Ce champ ne peut être nul.";
pub(crate) const INTEGER: &str = "Un nombre entier valide est requis.";
pub(crate) const NUMBER: &str = "Un nombre valide est requis.";
pub(crate) const TEXT: &str = "Cette valeur n'est pas une chaîne de caractères valide.";
pub(crate) const BOOLEAN: &str = "Must be a valid boolean.";
pub(crate) const EMAIL: &str = "Saisissez une adresse e-mail valide.";
pub(crate) const PHONE: &str =
    "Le numéro de téléphone doit être au format: '+999999999'. Jusqu'à 15 chiffres autorisés.";

pub(crate) fn too_long(max: usize) -> String {
    format!("Assurez-vous que ce champ comporte au plus {max}{NB}caractères.")
}

pub(crate) fn too_small(min: i64) -> String {
    format!("Assurez-vous que cette valeur est supérieure ou égale à{NB}{min}.")
}

pub(crate) fn too_large(max: i64) -> String {
    format!("Assurez-vous que cette valeur est inférieure ou égale à{NB}{max}.")
}

pub(crate) fn decimals(max: u32) -> String {
    format!("Assurez-vous qu'il n'y a pas plus de {max}{NB}chiffres après la virgule.")
}

pub(crate) fn not_a_choice(value: &str) -> String {
    format!("«{NB}{value}{NB}» n'est pas un choix valide.")
}

pub(crate) fn bad_reference(value: &str) -> String {
    format!("Clé primaire «{NB}{value}{NB}» non valide - l'objet n'existe pas.")
}

pub(crate) fn bad_date() -> String {
    format!("La date n'a pas le bon format. Utilisez un des formats suivants{NB}: YYYY-MM-DD.")
}

pub(crate) fn bad_datetime() -> String {
    format!(
        "La date + heure n'a pas le bon format. Utilisez un des formats suivants{NB}: YYYY-MM-DDThh:mm[:ss[.uuuuuu]][+HH:MM|-HH:MM|Z]."
    )
}

/// 400 of a query filter with a value outside its choices.
pub(crate) fn bad_filter_choice(value: &str) -> String {
    format!("Sélectionnez un choix valide. {value} n’en fait pas partie.")
}

/// 400 of a query filter that names no row.
pub(crate) const BAD_FILTER_REFERENCE: &str =
    "Sélectionnez un choix valide. Ce choix ne fait pas partie de ceux disponibles.";
pub(crate) const BAD_FILTER_NUMBER: &str = "Saisissez un nombre.";
pub(crate) const BAD_FILTER_DATE: &str = "Saisissez une date valide.";

/// 401 without a token.
pub(crate) fn login_required() -> ApiError {
    ApiError::unauthorized(
        "auth.credentials_missing",
        "Informations d'authentification non fournies.",
    )
}

/// 403 in the words of CIMEF's role check.
pub(crate) fn no_role() -> ApiError {
    ApiError::forbidden(
        "auth.permission_denied",
        "Vous n'avez pas la permission d'accéder à cette ressource.",
    )
    .contract(serde_json::json!({
        "detail": "Vous n'avez pas la permission d'accéder à cette ressource.",
        "code": "permission_denied",
    }))
}
