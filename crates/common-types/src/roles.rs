//! The two axes of roles that a membership holds (decisions.md 2): clinic and content. Superuser is not a role but a property of a user.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use utoipa::ToSchema;

/// The text names no role of its axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unknown role")]
pub struct UnknownRole;

macro_rules! role {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$vdoc])* $variant),+ }

        impl $name {
            /// Every role of this axis.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The role as it stands on the wire and in the database.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = UnknownRole;
            fn from_str(text: &str) -> Result<Self, UnknownRole> {
                match text { $($text => Ok(Self::$variant),)+ _ => Err(UnknownRole) }
            }
        }
    };
}

role! {
    /// What a person does in the clinic.
    ClinicRole {
        /// Runs the clinic.
        Admin = "admin",
        /// Examines patients.
        Doctor = "doctor",
        /// Keeps files and appointments.
        Secretary = "secretary",
        /// Keeps invoices and payments.
        Accountant = "accountant",
    }
}

role! {
    /// What a person does in the content workshop (C06).
    ContentRole {
        /// Everything in the workshop.
        Admin = "admin",
        /// Creates, edits, approves.
        Editor = "editor",
        /// Creates.
        Writer = "writer",
        /// Reads.
        Viewer = "viewer",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_json_and_value_agree() {
        for role in ClinicRole::ALL {
            assert_eq!(role.as_str().parse::<ClinicRole>().unwrap(), *role);
            assert_eq!(serde_json::to_value(role).unwrap(), role.as_str());
        }
        for role in ContentRole::ALL {
            assert_eq!(role.as_str().parse::<ContentRole>().unwrap(), *role);
            assert_eq!(serde_json::to_value(role).unwrap(), role.as_str());
        }
        assert!("Admin".parse::<ClinicRole>().is_err());
    }
}
