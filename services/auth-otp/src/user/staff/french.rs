//! The words of CIMEF's users page, French whatever the caller's language, with their typographic bytes (cimef.md 0).

use serde_json::json;
use service_http::ApiError;

/// No-break space, as Django's French texts have it.
const NB: char = '\u{a0}';

pub(super) const REQUIRED: &str = "Ce champ est obligatoire.";
pub(super) const BLANK: &str = "Ce champ ne peut être vide.";
pub(super) const NULL: &str = "Ce champ ne peut être nul.";
pub(super) const TEXT: &str = "Cette valeur n'est pas une chaîne de caractères valide.";
pub(super) const BOOLEAN: &str = "Must be a valid boolean.";
pub(super) const EMAIL: &str = "Saisissez une adresse e-mail valide.";
pub(super) const PHONE: &str =
    "Le numéro de téléphone doit être au format: '+999999999'. Jusqu'à 15 chiffres autorisés.";
pub(super) const USERNAME_TAKEN: &str = "Un utilisateur avec ce nom existe déjà.";
pub(super) const PHONE_TAKEN: &str =
    "Ce numéro appartient déjà à un compte. Invitez la personne au lieu de créer un compte.";
pub(super) const PHONE_STAYS: &str =
    "Le numéro de téléphone ne se change que par la personne elle-même, par code SMS.";
const DENIED: &str = "Vous n'avez pas la permission d'effectuer cette action.";

pub(super) fn too_long(max: usize) -> String {
    format!("Assurez-vous que ce champ comporte au plus {max}{NB}caractères.")
}

pub(super) fn not_a_choice(value: &str) -> String {
    format!("«{NB}{value}{NB}» n'est pas un choix valide.")
}

pub(super) fn bad_username() -> String {
    format!(
        "Saisissez un nom d’utilisateur valide. Il ne peut contenir que des lettres, des nombres ou les caractères \
         «{NB}@{NB}», «{NB}.{NB}», «{NB}+{NB}», «{NB}-{NB}» et «{NB}_{NB}»."
    )
}

/// 403 in CIMEF's words.
pub(super) fn denied() -> ApiError {
    ApiError::forbidden("auth.permission_denied", DENIED).contract(json!({"detail": DENIED}))
}

/// 403 for changes to an account that another place keeps.
pub(super) fn not_managed() -> ApiError {
    const TEXT: &str = "Ce compte n'est pas géré par votre cabinet.";
    ApiError::forbidden("auth.account_not_managed", TEXT).contract(json!({"detail": TEXT}))
}

/// 400 for what nobody does to themselves.
pub(super) fn not_oneself() -> ApiError {
    const TEXT: &str = "Vous ne pouvez pas effectuer cette action sur votre propre compte.";
    ApiError::bad_request("auth.not_oneself", TEXT).contract(json!({"detail": TEXT}))
}
