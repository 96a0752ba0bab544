//! Rules of invoices, without clock or database.

/// States that CIMEF knows; `overdue` is derived.
pub(crate) const STATES: [&str; 5] = ["draft", "sent", "partially_paid", "paid", "cancelled"];

/// An amount split into net and tax.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Split {
    pub(crate) subtotal: i64,
    pub(crate) tax: i64,
}

/// Takes the tax out of a total that includes it: net = total / (1 + rate), rounded half to even (cimef.md 3).
pub(crate) fn split_tax(total: i64, rate_hundredths: i32) -> Split {
    let divisor = 10_000_i128 + i128::from(rate_hundredths);
    let dividend = i128::from(total) * 10_000;
    let (quotient, rest) = (dividend / divisor, dividend % divisor);
    let up = match (rest * 2).cmp(&divisor) {
        std::cmp::Ordering::Greater => true,
        std::cmp::Ordering::Equal => quotient % 2 == 1,
        std::cmp::Ordering::Less => false,
    };
    let subtotal = i64::try_from(quotient + i128::from(up)).unwrap_or(total);
    Split {
        subtotal,
        tax: total - subtotal,
    }
}

/// The state that the money says, for an invoice that is neither draft nor cancelled.
pub(crate) fn state_by_money(total: i64, paid: i64) -> &'static str {
    if paid >= total {
        "paid"
    } else if paid > 0 {
        "partially_paid"
    } else {
        "sent"
    }
}

/// Whether staff may set this state by hand: sent ↔ draft, and cancelling what bears no money (cimef.md flag 19).
pub(crate) fn may_set_by_hand(from: &str, to: &str) -> bool {
    from == to
        || matches!(
            (from, to),
            ("draft", "sent") | ("sent", "draft") | ("draft" | "sent", "cancelled")
        )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn tax_is_inside_the_price() {
        assert_eq!(
            split_tax(33_000, 1_800),
            Split {
                subtotal: 27_966,
                tax: 5_034
            }
        );
        assert_eq!(
            split_tax(33_000, 2_000),
            Split {
                subtotal: 27_500,
                tax: 5_500
            }
        );
        assert_eq!(
            split_tax(33_000, 0),
            Split {
                subtotal: 33_000,
                tax: 0
            }
        );
        // 3 / 2 = 1.5 and 5 / 2 = 2.5: both go to the even neighbour.
        assert_eq!(split_tax(3, 10_000).subtotal, 2);
        assert_eq!(split_tax(5, 10_000).subtotal, 2);
    }

    #[test]
    fn money_decides_the_state() {
        assert_eq!(state_by_money(100, 0), "sent");
        assert_eq!(state_by_money(100, 99), "partially_paid");
        assert_eq!(state_by_money(100, 100), "paid");
        assert_eq!(state_by_money(100, 101), "paid");
    }

    #[test]
    fn by_hand_nothing_becomes_paid() {
        for from in STATES {
            for to in ["paid", "partially_paid"] {
                assert_eq!(may_set_by_hand(from, to), from == to);
            }
        }
        assert!(!may_set_by_hand("paid", "cancelled"));
        assert!(!may_set_by_hand("cancelled", "sent"));
        assert!(may_set_by_hand("sent", "cancelled"));
    }

    proptest! {
        #[test]
        fn net_and_tax_are_the_total(total in 0_i64..1_000_000_000_000, rate in 0_i32..=10_000) {
            let split = split_tax(total, rate);
            prop_assert_eq!(split.subtotal + split.tax, total);
            prop_assert!(split.tax >= 0);
            prop_assert!(split.subtotal >= 0);
        }
    }
}
