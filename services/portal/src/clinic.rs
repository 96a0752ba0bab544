//! The clinic behind an organisation: what its papers say, its currency, language and clock.

use chrono::{DateTime, FixedOffset, NaiveDateTime, Utc};
use common_types::{Currency, Language};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::{schema::clinic_profiles, settings::ClinicSettings};

/// A clinic as papers and prices see it.
#[derive(Debug, Clone)]
pub(crate) struct Clinic {
    pub(crate) name: String,
    pub(crate) address: String,
    pub(crate) phone: String,
    pub(crate) email: String,
    pub(crate) registrations: Vec<(String, String)>,
    pub(crate) currency: Currency,
    pub(crate) language: Language,
    offset: FixedOffset,
}

#[derive(Debug, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = clinic_profiles)]
pub(crate) struct ClinicRow {
    pub(crate) organization_id: Uuid,
    pub(crate) name: String,
    pub(crate) address: String,
    pub(crate) phone: String,
    pub(crate) email: String,
    pub(crate) registrations: serde_json::Value,
    pub(crate) currency: String,
    pub(crate) language: String,
    pub(crate) utc_offset_minutes: i32,
    pub(crate) updated_at: DateTime<Utc>,
}

fn offset(minutes: i32) -> FixedOffset {
    FixedOffset::east_opt(minutes * 60)
        .unwrap_or_else(|| FixedOffset::east_opt(0).expect("zero is a valid offset"))
}

/// A language by its code; French for anything unknown, as this tree's default.
pub(crate) fn language(code: &str) -> Language {
    code.parse().unwrap_or(Language::Fr)
}

/// A currency by its code, as the database's constraint allows them.
pub(crate) fn currency(code: &str) -> Currency {
    code.parse().unwrap_or(Currency::Xof)
}

impl Clinic {
    fn defaults(settings: &ClinicSettings) -> Self {
        Self {
            name: settings.name.clone(),
            address: settings.address.clone(),
            phone: settings.phone.clone(),
            email: settings.email.clone(),
            registrations: Vec::new(),
            currency: settings.currency,
            language: settings.language,
            offset: offset(settings.utc_offset_minutes),
        }
    }

    /// The profile of the organisation, or the settings' defaults.
    pub(crate) async fn of(
        conn: &mut AsyncPgConnection,
        organization: Uuid,
        settings: &ClinicSettings,
    ) -> QueryResult<Self> {
        let row = clinic_profiles::table
            .find(organization)
            .select(ClinicRow::as_select())
            .first(conn)
            .await
            .optional()?;
        Ok(row.map_or_else(
            || Self::defaults(settings),
            |row| Self {
                registrations: serde_json::from_value(row.registrations).unwrap_or_default(),
                name: row.name,
                address: row.address,
                phone: row.phone,
                email: row.email,
                currency: currency(&row.currency),
                language: language(&row.language),
                offset: offset(row.utc_offset_minutes),
            },
        ))
    }

    /// The clinic's wall clock.
    pub(crate) fn local(&self, moment: DateTime<Utc>) -> NaiveDateTime {
        moment.with_timezone(&self.offset).naive_local()
    }

    /// For the documents.
    pub(crate) fn on_paper(&self) -> documents::Organization {
        documents::Organization {
            name: self.name.clone(),
            address: self.address.clone(),
            phone: self.phone.clone(),
            email: self.email.clone(),
            registrations: self.registrations.clone(),
        }
    }
}

/// `FCFA` for the franc, as CIMEF's sentences have it; else the ISO code.
pub(crate) fn currency_label(currency: Currency) -> &'static str {
    if currency == Currency::Xof {
        "FCFA"
    } else {
        currency.code()
    }
}
