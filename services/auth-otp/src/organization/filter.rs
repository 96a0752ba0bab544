//! Filters of lists, refused in the words of Django's filters when they name nothing (wire.md 1).

use std::str::FromStr;

use common_types::AccessClaims;
use diesel_async::AsyncPgConnection;
use service_http::{ApiError, Text};
use uuid::Uuid;

use super::{Rights, store};

/// The organisation of a filter by number; a foreign one is refused exactly like one that is not there.
///
/// # Errors
/// 400; database failures.
pub(crate) async fn organization(
    conn: &mut AsyncPgConnection,
    caller: &AccessClaims,
    given: Option<&str>,
) -> Result<Option<Uuid>, ApiError> {
    let Some(text) = given.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    if let Ok(number) = text.parse::<i64>()
        && let Some(row) = store::find_organization(conn, number).await?
        && Rights::in_organization(conn, caller, row.id)
            .await?
            .is_member()
    {
        return Ok(Some(row.id));
    }
    Err(ApiError::invalid().field(
        "organization",
        Text::i18n(
            "گزینهٔ معتبری برگزینید. این گزینه در میان گزینه‌ها نیست.",
            "Sélectionnez un choix valide. Ce choix ne fait pas partie de ceux disponibles.",
            "Select a valid choice. That choice is not one of the available choices.",
        ),
    ))
}

/// A filter by one of a few words.
///
/// # Errors
/// 400.
pub(crate) fn choice<'a, T: FromStr>(
    name: &str,
    given: Option<&'a str>,
) -> Result<Option<&'a str>, ApiError> {
    let Some(word) = given.filter(|word| !word.is_empty()) else {
        return Ok(None);
    };
    if word.parse::<T>().is_ok() {
        return Ok(Some(word));
    }
    Err(ApiError::invalid().field(
        name,
        Text::i18n(
            format!("گزینهٔ معتبری برگزینید. {word} در میان گزینه‌ها نیست."),
            format!("Sélectionnez un choix valide. {word} n’en fait pas partie."),
            format!("Select a valid choice. {word} is not one of the available choices."),
        ),
    ))
}
