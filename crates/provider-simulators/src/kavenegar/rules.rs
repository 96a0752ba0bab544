//! Parameter rules and the error table of `return.status`.

/// Documented Persian or plain wording of a status; the number is what clients must read.
pub(crate) fn message_of(status: u16) -> &'static str {
    match status {
        200 => "تایید شد",
        400 => "پارامترها ناقص هستند",
        401 => "حساب کاربری غیرفعال شده است",
        402 => "عملیات ناموفق بود",
        403 => "کد شناسائی API-Key معتبر نمی‌باشد",
        404 => "متد نامشخص است",
        405 => "متد Get/Post اشتباه است",
        406 => "پارامترهای اجباری خالی ارسال شده اند",
        407 => "دسترسی به اطلاعات مورد نظر برای شما امکان پذیر نیست",
        409 => "سرور قادر به پاسخگوئی نیست بعدا تلاش کنید",
        411 => "دریافت کننده نامعتبر است",
        412 => "ارسال کننده نامعتبر است",
        413 => "پیام خالی است و یا طول پیام بیش از حد مجاز می‌باشد",
        414 => "حجم درخواست بیشتر از حد مجاز است",
        416 => "IP سرویس مبدا با تنظیمات مطابقت ندارد",
        417 => "تاریخ ارسال اشتباه است",
        418 => "اعتبار شما کافی نمی‌باشد",
        419 => "طول آرایه متن و گیرنده و فرستنده هم اندازه نیست",
        422 => "داده ها به دلیل وجود کاراکتر نامناسب قابل پردازش نیست",
        424 => "الگوی مورد نظر پیدا نشد",
        426 => "استفاده از این متد نیازمند سرویس پیشرفته می‌باشد",
        428 => "ارسال کد از طریق تماس تلفنی امکان پذیر نیست",
        431 => "ساختار کد صحیح نمی‌باشد",
        432 => "پارامتر کد در متن پیام پیدا نشد",
        451 => "فراخوانی بیش از حد در بازه زمانی مشخص IP محدود شده",
        501 => "فقط امکان ارسال پیام تست به شماره صاحب حساب کاربری وجود دارد",
        607 => "نام تگ انتخابی اشتباه است",
        _ => "خطای نامشخص",
    }
}

/// A receptor in one of the documented shapes (`09…`, `9…`, `+98…`, `0098…`; other countries with `00`), as `09…` or `00…`.
pub(crate) fn receptor(text: &str) -> Option<String> {
    let text = text.trim();
    let digits = text
        .strip_prefix('+')
        .map_or_else(|| text.to_owned(), |rest| format!("00{rest}"));
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let national = digits
        .strip_prefix("0098")
        .or_else(|| digits.strip_prefix("98").filter(|rest| rest.len() == 10))
        .or_else(|| {
            digits
                .strip_prefix('0')
                .filter(|_| !digits.starts_with("00"))
        })
        .or(Some(digits.as_str()).filter(|all| all.len() == 10 && all.starts_with('9')));
    match national {
        Some(national) if national.len() == 10 && national.starts_with('9') => {
            Some(format!("0{national}"))
        }
        Some(_) => None,
        None if digits.starts_with("00") && (10..=17).contains(&digits.len()) => Some(digits),
        None => None,
    }
}

/// A token of `verify/lookup`: at most 100 characters, no newline, no underscore, at most `spaces` spaces.
pub(crate) fn token_is_valid(token: &str, spaces: usize) -> bool {
    !token.is_empty()
        && token.chars().count() <= 100
        && !token.contains(['\n', '\r', '\t', '_'])
        && token.chars().filter(|c| *c == ' ').count() <= spaces
}

/// Cost in Rial by parts: Persian 70/67 characters, Latin 160/153.
pub(crate) fn cost(message: &str) -> i64 {
    let length = message.chars().count();
    let (single, part) = if message.is_ascii() {
        (160, 153)
    } else {
        (70, 67)
    };
    let parts = if length <= single {
        1
    } else {
        length.div_ceil(part)
    };
    120 * i64::try_from(parts).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn receptors_take_the_documented_shapes_only() {
        for shape in [
            "09121234567",
            "9121234567",
            "+989121234567",
            "00989121234567",
            "989121234567",
        ] {
            assert_eq!(receptor(shape).as_deref(), Some("09121234567"), "{shape}");
        }
        assert_eq!(
            receptor("00221771234567").as_deref(),
            Some("00221771234567")
        );
        for wrong in [
            "",
            "۰۹۱۲۱۲۳۴۵۶۷",
            "0912-123",
            "02188887777",
            "abc",
            "091212345678",
        ] {
            assert_eq!(receptor(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn tokens_refuse_spaces_underscores_and_newlines() {
        assert!(token_is_valid("12345", 0));
        assert!(token_is_valid("دکتر-احمدی", 0));
        for wrong in ["", "a b", "a_b", "a\nb", &"9".repeat(101)] {
            assert!(!token_is_valid(wrong, 0), "{wrong}");
        }
        assert!(token_is_valid("a b c d e f", 5));
        assert!(!token_is_valid("a b c d e f g", 5));
    }

    #[test]
    fn cost_counts_parts() {
        assert_eq!(cost(&"س".repeat(70)), 120);
        assert_eq!(cost(&"س".repeat(71)), 240);
        assert_eq!(cost(&"a".repeat(160)), 120);
    }
}
