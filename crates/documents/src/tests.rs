//! Documents are read back from the laid-out pages: what stands on which page, in which order.

use chrono::NaiveDate;
use common_types::{Currency, Language};
use proptest::prelude::*;
use rstest::rstest;
use typst::layout::{Frame, FrameItem};

use crate::{world::typeset, *};

fn day(year: i32, month: u32, day: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(year, month, day).unwrap()
}

fn organization() -> Organization {
    Organization {
        name: "Clinique CIMEF".into(),
        address: "Tivaouane, Sénégal".into(),
        phone: "+221 33 955 00 00".into(),
        email: "contact@cimef.sn".into(),
        registrations: vec![
            ("RCCM".into(), "SN-THS-2020-A-001".into()),
            ("NINEA".into(), "007712345".into()),
        ],
    }
}

fn keys() -> KeysBox {
    KeysBox {
        access_key: "ABC23DEF45GH".into(),
        password: Some("abc23de4".into()),
        portal_url: "https://tabib.example/patient".into(),
    }
}

fn invoice(language: Language, lines: usize) -> InvoiceDocument {
    let lines: Vec<Line> = (1..=lines)
        .map(|index| {
            let unit_price = 1_000 * i64::try_from(index).unwrap();
            Line {
                description: format!("Examen {index}"),
                quantity: 2,
                unit_price,
                total: 2 * unit_price,
            }
        })
        .collect();
    let total: i64 = lines.iter().map(|line| line.total).sum();
    let subtotal = total * 100 / 118;
    InvoiceDocument {
        language,
        organization: organization(),
        number: "FAC-000042".into(),
        issued_on: day(2026, 11, 21),
        patient: Patient {
            full_name: "Awa Diop".into(),
            phone: Some("+221771234567".into()),
            age: Some(34),
        },
        currency: Currency::Xof,
        lines,
        subtotal,
        tax_rate: TaxRate(1800),
        tax: total - subtotal,
        total,
        discount: 0,
        coverage: None,
        keys: None,
        closing: String::new(),
    }
}

fn receipt(language: Language) -> ReceiptDocument {
    ReceiptDocument {
        language,
        organization: organization(),
        number: "REC-20261121-000007".into(),
        paid_at: day(2026, 11, 21).and_hms_opt(14, 5, 0).unwrap(),
        patient: Patient {
            full_name: "Awa Diop".into(),
            phone: None,
            age: None,
        },
        invoice_number: "FAC-000042".into(),
        invoice_date: day(2026, 11, 20),
        currency: Currency::Xof,
        method: "Wave".into(),
        amount: 15_000,
        fields: vec![ReceiptField {
            label: "Référence".into(),
            value: "TX-99".into(),
        }],
        invoice_total: 33_000,
        paid_total: 15_000,
        remaining: 18_000,
        notes: String::new(),
        recorded_by: "Fatou Sow".into(),
    }
}

fn collect(frame: &Frame, into: &mut Vec<String>) {
    for (_, item) in frame.items() {
        match item {
            FrameItem::Group(group) => collect(&group.frame, into),
            FrameItem::Text(text) => into.push(text.text.to_string()),
            _ => {}
        }
    }
}

fn pages(template: Template, inputs: world::Inputs) -> Vec<String> {
    let document = typeset(template, inputs).unwrap();
    document
        .pages()
        .iter()
        .map(|page| {
            let mut texts = Vec::new();
            collect(&page.frame, &mut texts);
            texts.join(" ").replace('\u{00A0}', " ")
        })
        .collect()
}

fn invoice_pages(document: &InvoiceDocument) -> Vec<String> {
    document.check().unwrap();
    pages(Template::Invoice, invoice_inputs(document).unwrap())
}

/// The shaper splits Persian numbers at their separators; for comparing, spaces do not count.
fn squeezed(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).collect()
}

const LANGUAGES: [Language; 3] = [Language::Fa, Language::Fr, Language::En];

#[rstest]
fn number_patient_and_organisation_stand_on_the_invoice() {
    for language in LANGUAGES {
        let text = invoice_pages(&invoice(language, 3)).join(" ");
        for expected in [
            "FAC-000042",
            "Awa",
            "+221771234567",
            "CIMEF",
            "SN-THS-2020-A-001",
            "contact@cimef.sn",
        ] {
            assert!(
                text.contains(expected),
                "{language:?}: {expected} in {text}"
            );
        }
    }
}

#[test]
fn forty_lines_all_stay_and_the_totals_too() {
    for language in LANGUAGES {
        let mut document = invoice(language, 40);
        document.keys = Some(keys());
        let pages = invoice_pages(&document);
        assert!(pages.len() >= 2, "{language:?}: {} pages", pages.len());
        let text = pages.join(" ");
        for index in 1..=40 {
            assert!(
                text.contains(&format!("Examen {index}")),
                "{language:?}: line {index}"
            );
        }
        let total = squeezed(&amount(language, Currency::Xof, document.total));
        assert!(
            squeezed(pages.last().unwrap()).contains(&total),
            "{language:?}: {total} on the last page"
        );
    }
}

#[test]
fn pages_grow_with_lines_and_the_header_repeats() {
    let counts: Vec<usize> = [1, 13, 40, 120]
        .map(|lines| invoice_pages(&invoice(Language::Fr, lines)).len())
        .into();
    assert_eq!(counts[0], 1);
    assert_eq!(counts[1], 1, "thirteen lines still fit one page");
    assert!(counts[1] < counts[2] && counts[2] < counts[3], "{counts:?}");
    for page in invoice_pages(&invoice(Language::Fr, 40)) {
        assert!(
            page.contains("FAC-000042"),
            "every page names its invoice: {page}"
        );
    }
}

#[test]
fn r09_keys_box_shows_key_password_and_portal() {
    for language in LANGUAGES {
        let mut document = invoice(language, 2);
        document.keys = Some(keys());
        let text = invoice_pages(&document).join(" ");
        for expected in ["ABC23DEF45GH", "abc23de4", "https://tabib.example/patient"] {
            assert!(
                text.contains(expected),
                "{language:?}: {expected} in {text}"
            );
        }
    }
}

#[test]
fn r09_no_keys_no_box() {
    for language in LANGUAGES {
        let text = invoice_pages(&invoice(language, 2)).join(" ");
        assert!(
            !text.contains(labels::labels(language).key),
            "{language:?}: {text}"
        );
        assert!(!text.contains("https://"));
    }
}

#[test]
fn box_without_password_when_the_copy_must_not_carry_it() {
    let mut document = invoice(Language::En, 2);
    document.keys = Some(KeysBox {
        password: None,
        ..keys()
    });
    let text = invoice_pages(&document).join(" ");
    assert!(text.contains("ABC23DEF45GH"));
    assert!(!text.contains("abc23de4") && !text.contains("Password"));
}

#[test]
fn qr_carries_keys_in_the_fragment_only() {
    let mut keys = keys();
    assert_eq!(
        keys.link(),
        "https://tabib.example/patient#key=ABC23DEF45GH&password=abc23de4"
    );
    keys.portal_url = "https://tabib.example/patient?lang=fa#old".into();
    keys.password = None;
    assert_eq!(
        keys.link(),
        "https://tabib.example/patient?lang=fa#key=ABC23DEF45GH"
    );
}

#[test]
fn debug_hides_keys() {
    let text = format!("{:?}", keys());
    assert!(
        !text.contains("ABC23DEF45GH") && !text.contains("abc23de4"),
        "{text}"
    );
}

#[test]
fn same_input_same_bytes() {
    let mut document = invoice(Language::Fa, 5);
    document.keys = Some(keys());
    let first = render_invoice(&document).unwrap();
    assert!(first.starts_with(b"%PDF-"));
    assert_eq!(first, render_invoice(&document).unwrap());
}

#[test]
fn persian_writes_its_digits_and_calendar() {
    let text = invoice_pages(&invoice(Language::Fa, 1)).join(" ");
    assert!(text.contains("۱۴۰۵/۰۸/۳۰"), "{text}");
    assert!(squeezed(&text).contains("۲٬۰۰۰"), "{text}");
}

#[test]
fn discount_and_coverage_lower_what_is_to_pay() {
    let mut document = invoice(Language::Fr, 2);
    document.discount = 1_000;
    document.coverage = Some(Coverage {
        name: "Mutuelle".into(),
        rate: TaxRate(2000),
        amount: document.total / 5,
    });
    let text = invoice_pages(&document).join(" ");
    assert_eq!(document.payable(), 6_000 - 1_000 - 1_200);
    for expected in ["Remise", "Mutuelle", "20 %", "3 800"] {
        assert!(text.contains(expected), "{expected} in {text}");
    }
}

#[test]
fn r10_receipt_names_payment_invoice_and_rest() {
    for language in LANGUAGES {
        let document = receipt(language);
        let inputs = receipt_inputs(&document).unwrap();
        let text = pages(Template::Receipt, inputs).join(" ");
        for expected in [
            "REC-20261121-000007",
            "FAC-000042",
            "Wave",
            "TX-99",
            "Fatou Sow",
        ] {
            assert!(
                text.contains(expected),
                "{language:?}: {expected} in {text}"
            );
        }
        let rest = squeezed(&amount(language, Currency::Xof, 18_000));
        assert!(
            squeezed(&text).contains(&rest),
            "{language:?}: {rest} in {text}"
        );
        assert_eq!(
            render_receipt(&document).unwrap(),
            render_receipt(&document).unwrap()
        );
    }
}

#[test]
fn structure_is_settled() {
    let mut document = invoice(Language::Fr, 2);
    document.keys = Some(keys());
    insta::assert_json_snapshot!("invoice_fr", view::invoice(&document));
    insta::assert_json_snapshot!("receipt_fa", view::receipt(&receipt(Language::Fa)));
}

#[test]
fn markup_in_a_name_is_only_text() {
    let mut document = invoice(Language::En, 1);
    document.patient.full_name = "#panic(\"x\") *bold* $x$ \\ <b>".into();
    document.lines[0].description = "#include \"/etc/passwd\"".into();
    let text = invoice_pages(&document).join(" ");
    assert!(text.contains("#panic(\"x\") *bold* $x$"), "{text}");
    assert!(text.contains("#include \"/etc/passwd\""), "{text}");
}

#[test]
fn contradictions_are_refused() {
    let mut document = invoice(Language::En, 2);
    document.total += 1;
    assert!(matches!(
        render_invoice(&document),
        Err(DocumentError::Inconsistent(_))
    ));
    let mut document = invoice(Language::En, 2);
    document.tax += 1;
    assert!(matches!(
        render_invoice(&document),
        Err(DocumentError::Inconsistent(_))
    ));
    let empty = invoice(Language::En, 0);
    assert!(matches!(
        render_invoice(&empty),
        Err(DocumentError::Inconsistent(_))
    ));
}

#[rstest]
#[case(Language::Fr, Currency::Xof, 1_234_567, "1\u{a0}234\u{a0}567")]
#[case(Language::En, Currency::Usd, 123_456, "1,234.56")]
#[case(Language::Fr, Currency::Eur, -5, "\u{2212}0,05")]
#[case(Language::Fa, Currency::Irr, 15_000, "۱۵٬۰۰۰")]
#[case(Language::En, Currency::Irr, 0, "0")]
#[case(Language::En, Currency::Irr, 999, "999")]
#[case(Language::En, Currency::Irr, 1_000, "1,000")]
fn amounts_are_grouped(
    #[case] language: Language,
    #[case] currency: Currency,
    #[case] minor: i64,
    #[case] text: &str,
) {
    assert_eq!(amount(language, currency, minor), text);
}

#[rstest]
#[case(day(2026, 3, 21), "۱۴۰۵/۰۱/۰۱")]
#[case(day(2025, 3, 20), "۱۴۰۳/۱۲/۳۰")] // 1403 is a leap year
#[case(day(2026, 3, 20), "۱۴۰۴/۱۲/۲۹")]
#[case(day(1979, 2, 11), "۱۳۵۷/۱۱/۲۲")]
fn dates_are_solar_hijri_in_persian(#[case] day: NaiveDate, #[case] text: &str) {
    assert_eq!(date(Language::Fa, day), text);
}

#[test]
fn percents() {
    assert_eq!(percent(Language::Fr, 1800), "18\u{a0}%");
    assert_eq!(percent(Language::Fr, 1850), "18,5\u{a0}%");
    assert_eq!(percent(Language::Fa, 905), "۹٫۰۵٪");
    assert_eq!(percent(Language::En, 0), "0%");
}

proptest! {
    #[test]
    fn line_discounts_add_up(prices in prop::collection::vec(0_i64..1_000_000_000, 1..30), share in 0_u32..=100) {
        let mut document = invoice(Language::En, prices.len());
        for (line, price) in document.lines.iter_mut().zip(&prices) {
            line.quantity = 1;
            line.unit_price = *price;
            line.total = *price;
        }
        document.total = prices.iter().sum();
        document.discount = document.total * i64::from(share) / 100;
        let parts = document.line_discounts();
        prop_assert_eq!(parts.iter().sum::<i64>(), document.discount);
        prop_assert!(parts.iter().all(|part| *part >= 0));
    }
}

/// Writes sample pages for human eyes: `DOCUMENT_SAMPLES=<folder> cargo test -p documents samples`.
#[test]
fn samples() {
    let Ok(folder) = std::env::var("DOCUMENT_SAMPLES") else {
        return;
    };
    for (language, name) in [
        (Language::Fa, "fa"),
        (Language::Fr, "fr"),
        (Language::En, "en"),
    ] {
        let mut document = invoice(language, 9);
        document.keys = Some(keys());
        document.discount = 5_000;
        document.coverage = Some(Coverage {
            name: "IPM Santé".into(),
            rate: TaxRate(2000),
            amount: 18_000,
        });
        let mut paper = receipt(language);
        if language == Language::Fa {
            document.organization.name = "درمانگاه طبیب".into();
            document.organization.address = "تهران، خیابان ولیعصر، پلاک ۱۲".into();
            document.organization.phone = "021-88880000".into();
            document.patient.full_name = "زهرا احمدی".into();
            document.patient.phone = Some("09120000010".into());
            document.currency = Currency::Irr;
            document.lines[0].description = "معاینهٔ عمومی (Consultation générale)".into();
            document.lines[1].description = "آزمایش خون CBC و پروفایل چربی".into();
            document.lines[2].description =
                "سونوگرافی شکم و لگن با گزارش کامل و تصویر چاپ‌شده برای پزشک معالج".into();
            document.coverage.as_mut().unwrap().name = "تأمین اجتماعی".into();
            paper.currency = Currency::Irr;
            paper.method = "کارت بانکی".into();
            paper.fields[0].label = "شمارهٔ پیگیری".into();
            paper.patient = document.patient.clone();
            paper.organization = document.organization.clone();
            paper.recorded_by = "مریم رضایی".into();
        }
        std::fs::write(
            format!("{folder}/invoice-{name}.pdf"),
            render_invoice(&document).unwrap(),
        )
        .unwrap();
        std::fs::write(
            format!("{folder}/receipt-{name}.pdf"),
            render_receipt(&paper).unwrap(),
        )
        .unwrap();
    }
    let mut long = invoice(Language::Fr, 40);
    long.keys = Some(keys());
    std::fs::write(
        format!("{folder}/invoice-long.pdf"),
        render_invoice(&long).unwrap(),
    )
    .unwrap();
}
