//! The tests of the replaced system (wire.md 8.1) and what they left out.

use super::*;
use proptest::prelude::*;
use rstest::rstest;

fn kinds(text: &str) -> Vec<Kind> {
    find(text).into_iter().map(|f| f.kind).collect()
}

#[rstest]
#[case("تماس با 09123456789 بگیرید")]
#[case("شماره من +989123456789 است")]
#[case("کال کنید به 9123456789")]
#[case("شماره ۰۹۱۲ ۳۴۵ ۶۷۸۹ من")]
#[case("٠٩١٢٣٤٥٦٧٨٩")]
#[case("0098 912 345 67 89")]
#[case("Appelez le +221 77 123 45 67.")]
fn test_redact_phone_numbers(#[case] text: &str) {
    let (masked, values) = mask(text);
    assert_eq!(kinds(text), [Kind::Phone], "{masked}");
    assert!(masked.contains("[PHONE_1]"));
    assert_eq!(restore(&masked, &values), text);
}

#[test]
fn two_phones_have_two_names() {
    let (masked, _) = mask("تلفن: 09123456789 و 09876543210");
    assert!(
        masked.contains("[PHONE_1]") && masked.contains("[PHONE_2]"),
        "{masked}"
    );
}

#[test]
fn test_redact_emails() {
    let (masked, _) = mask("ایمیل من test@example.com و info@company.ir است");
    assert!(
        !masked.contains('@') && masked.contains("[EMAIL_1]") && masked.contains("[EMAIL_2]"),
        "{masked}"
    );
}

#[test]
fn test_redact_iban() {
    for text in [
        "شماره حساب من IR123456789012345678901234 است",
        "IR12 3456 7890 1234 5678 9012 34",
    ] {
        assert_eq!(kinds(text), [Kind::Iban]);
        assert!(mask(text).0.contains("[IBAN_1]"));
    }
}

#[test]
fn test_redact_national_id() {
    assert_eq!(kinds("کد ملی من 1234567890 است"), [Kind::NationalId]);
    assert_eq!(kinds("0084575948"), [Kind::NationalId]);
    assert_eq!(kinds("سفارش 1234567890"), []);
    assert_eq!(kinds("1111111111"), []);
}

#[test]
fn cards_are_told_by_their_check_digit() {
    assert_eq!(kinds("کارت 4242 4242 4242 4242"), [Kind::Card]);
    assert_eq!(kinds("4242424242424241"), []);
}

#[test]
fn test_multiple_same_pii() {
    let (masked, values) = mask("شماره 09123456789 و دوباره 09123456789");
    assert_eq!(masked.matches("[PHONE_1]").count(), 2);
    assert_eq!(restore(&masked, &values).matches("09123456789").count(), 2);
}

#[rstest]
#[case("سلام این یک متن ساده است")]
#[case("")]
#[case("سال 1404، 12345 تومان، ساعت 10:30")]
#[case("نسخهٔ 2026.11.21 و 100000000000000000000")]
fn test_has_no_pii(#[case] text: &str) {
    assert_eq!(warnings(text), (false, json!([])));
}

#[test]
fn warnings_count_by_kind() {
    let (has, warnings) = warnings("09123456789 a@b.ir 09123456780");
    assert!(has);
    assert_eq!(
        warnings,
        json!({"phone": ["Found 2 phone number(s)"], "email": ["Found 1 email address(es)"]})
    );
}

proptest! {
    #[test]
    fn restoring_gives_the_text_back(parts in prop::collection::vec(prop::sample::select(vec![
        "سلام ", "09123456789", " و ", "a.b@c.org", "۰۹۳۵۱۱۱۲۲۳۳", "\n", "IR123456789012345678901234", "text ", "۱۲",
    ]), 0..12)) {
        let text = parts.concat();
        let (masked, values) = mask(&text);
        prop_assert_eq!(restore(&masked, &values), text);
    }

    #[test]
    fn any_text_is_survived(text in "[^\\[]*") {
        let (masked, values) = mask(&text);
        prop_assert_eq!(restore(&masked, &values), text);
    }
}
