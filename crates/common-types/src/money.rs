//! Money as integer minor units with an ISO 4217 currency (plus IRT, the toman, which is only spoken at the edge).

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use utoipa::ToSchema;

/// The currencies Tabib knows.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "UPPERCASE")]
pub enum Currency {
    /// Iranian rial, the unit in which Iranian providers settle.
    Irr,
    /// Iranian toman: ten rials; accepted at the edge, kept as rials (decisions.md 19).
    Irt,
    /// West African CFA franc.
    Xof,
    /// Euro.
    Eur,
    /// US dollar.
    Usd,
}

/// The text names no currency of [`Currency`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown currency")]
pub struct UnknownCurrency;

impl Currency {
    /// The three-letter code.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Irr => "IRR",
            Self::Irt => "IRT",
            Self::Xof => "XOF",
            Self::Eur => "EUR",
            Self::Usd => "USD",
        }
    }

    /// How many decimal digits the minor unit has: 0 for IRR, IRT and XOF, 2 for EUR and USD.
    #[must_use]
    pub fn exponent(self) -> u32 {
        match self {
            Self::Irr | Self::Irt | Self::Xof => 0,
            Self::Eur | Self::Usd => 2,
        }
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl FromStr for Currency {
    type Err = UnknownCurrency;
    fn from_str(text: &str) -> Result<Self, UnknownCurrency> {
        match text {
            "IRR" => Ok(Self::Irr),
            "IRT" => Ok(Self::Irt),
            "XOF" => Ok(Self::Xof),
            "EUR" => Ok(Self::Eur),
            "USD" => Ok(Self::Usd),
            _ => Err(UnknownCurrency),
        }
    }
}

/// An amount in minor units of its currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
pub struct Money {
    /// Minor units: rials, francs, cents.
    pub amount: i64,
    /// The currency of `amount`.
    pub currency: Currency,
}

/// Why two amounts could not be combined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// The result does not fit in 64 bits.
    #[error("amount out of range")]
    Overflow,
    /// The two amounts are of different currencies.
    #[error("currencies differ")]
    CurrencyMismatch,
}

impl Money {
    /// `amount` minor units of `currency`.
    #[must_use]
    pub fn new(amount: i64, currency: Currency) -> Self {
        Self { amount, currency }
    }

    /// Zero of `currency`.
    #[must_use]
    pub fn zero(currency: Currency) -> Self {
        Self::new(0, currency)
    }

    /// The sum of both.
    ///
    /// # Errors
    /// [`MoneyError`] when the currencies differ or the sum does not fit.
    pub fn checked_add(self, other: Self) -> Result<Self, MoneyError> {
        self.combine(other, i64::checked_add)
    }

    /// `self` less `other`.
    ///
    /// # Errors
    /// [`MoneyError`] when the currencies differ or the difference does not fit.
    pub fn checked_sub(self, other: Self) -> Result<Self, MoneyError> {
        self.combine(other, i64::checked_sub)
    }

    /// Tomans as rials (times ten); every other currency stays as it is.
    ///
    /// # Errors
    /// [`MoneyError::Overflow`] when the rials do not fit.
    pub fn normalized(self) -> Result<Self, MoneyError> {
        match self.currency {
            Currency::Irt => self
                .amount
                .checked_mul(10)
                .map(|amount| Self::new(amount, Currency::Irr))
                .ok_or(MoneyError::Overflow),
            _ => Ok(self),
        }
    }

    fn combine(self, other: Self, op: fn(i64, i64) -> Option<i64>) -> Result<Self, MoneyError> {
        if self.currency != other.currency {
            return Err(MoneyError::CurrencyMismatch);
        }
        op(self.amount, other.amount)
            .map(|amount| Self::new(amount, self.currency))
            .ok_or(MoneyError::Overflow)
    }
}

impl fmt::Display for Money {
    /// `500000 IRR`, `12.50 EUR`: with a decimal point where the currency has minor units.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scale = 10_u64.pow(self.currency.exponent());
        let absolute = self.amount.unsigned_abs();
        let sign = if self.amount < 0 { "-" } else { "" };
        if scale == 1 {
            write!(f, "{sign}{absolute} {}", self.currency)
        } else {
            write!(
                f,
                "{sign}{}.{:02} {}",
                absolute / scale,
                absolute % scale,
                self.currency
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn currency_codes_round_trip_through_text_and_json() {
        for currency in [
            Currency::Irr,
            Currency::Irt,
            Currency::Xof,
            Currency::Eur,
            Currency::Usd,
        ] {
            assert_eq!(currency.code().parse::<Currency>().unwrap(), currency);
            assert_eq!(serde_json::to_value(currency).unwrap(), currency.code());
        }
        assert!("irr".parse::<Currency>().is_err());
    }

    #[test]
    fn display_has_the_decimal_point_of_its_currency() {
        assert_eq!(Money::new(500_000, Currency::Irr).to_string(), "500000 IRR");
        assert_eq!(Money::new(-1250, Currency::Eur).to_string(), "-12.50 EUR");
        assert_eq!(Money::new(5, Currency::Usd).to_string(), "0.05 USD");
        assert_eq!(
            Money::new(i64::MIN, Currency::Irr).to_string(),
            "-9223372036854775808 IRR"
        );
    }

    #[test]
    fn tomans_become_rials() {
        assert_eq!(
            Money::new(12, Currency::Irt).normalized(),
            Ok(Money::new(120, Currency::Irr))
        );
        assert_eq!(
            Money::new(i64::MAX, Currency::Irt).normalized(),
            Err(MoneyError::Overflow)
        );
        assert_eq!(
            Money::new(12, Currency::Xof).normalized(),
            Ok(Money::new(12, Currency::Xof))
        );
    }

    proptest! {
        #[test]
        fn adding_and_taking_away_is_identity_or_a_named_error(a in any::<i64>(), b in any::<i64>()) {
            let (x, y) = (Money::new(a, Currency::Xof), Money::new(b, Currency::Xof));
            match x.checked_add(y) {
                Ok(sum) => prop_assert_eq!(sum.checked_sub(y), Ok(x)),
                Err(error) => prop_assert_eq!(error, MoneyError::Overflow),
            }
            prop_assert_eq!(x.checked_add(Money::new(b, Currency::Eur)), Err(MoneyError::CurrencyMismatch));
        }
    }
}
