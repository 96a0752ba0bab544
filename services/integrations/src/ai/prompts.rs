//! What stands above the text of a medical analysis, in Persian (I06).

use serde_json::Value;

/// Temperature of an analysis, whatever the caller asks for (wire.md 3.7).
pub(crate) const TEMPERATURE: f32 = 0.3;
/// Most tokens of an analysis.
pub(crate) const MAX_TOKENS: u32 = 1_500;
/// The kinds of analysis.
pub(crate) const KINDS: [&str; 4] = ["general", "symptoms", "diagnosis", "prescription"];
/// Longest single value of the patient's context, in characters, and most items of a list.
const LONGEST_VALUE: usize = 200;
const MOST_ITEMS: usize = 50;

/// The instruction of a medical analysis; `None` for the general kind.
pub(crate) fn instruction(analysis: &str) -> Option<&'static str> {
    Some(match analysis {
        "symptoms" => {
            "شما دستیار پزشک هستید. علائم بیمار را تحلیل کنید: نشانه‌های خطر و فوریت‌ها را نخست بنویسید، سپس علت‌های محتمل و پرسش‌های تکمیلی را فهرست کنید. تشخیص قطعی ندهید و چیزی را که در متن نیست فرض نکنید."
        }
        "diagnosis" => {
            "شما دستیار پزشک هستید. تشخیص‌های افتراقی محتمل را به ترتیب احتمال با دلیل هر یک و بررسی لازم برای تأیید یا رد آن فهرست کنید. تصمیم با پزشک است و چیزی را که در متن نیست فرض نکنید."
        }
        "prescription" => {
            "شما دستیار پزشک هستید. نسخه را از نظر تداخل دارویی، دوز، مدت، حساسیت و منع مصرف با توجه به سن، سابقه و داروهای دیگر بیمار بررسی کنید. داروی تازه تجویز نکنید؛ تصمیم با پزشک است."
        }
        _ => return None,
    })
}

/// The lines about the patient that stand above the text. Members that are not expected are left out.
pub(crate) fn context(context: Option<&Value>) -> String {
    let Some(Value::Object(members)) = context else {
        return String::new();
    };
    let mut lines = String::new();
    for (name, words) in [
        ("age", "سن"),
        ("gender", "جنسیت"),
        ("medical_history", "سابقه پزشکی"),
        ("medications", "داروها"),
        ("allergies", "حساسیت‌ها"),
    ] {
        let value = match members.get(name) {
            None | Some(Value::Null) => continue,
            Some(Value::Array(items)) => items
                .iter()
                .take(MOST_ITEMS)
                .map(line)
                .collect::<Vec<_>>()
                .join("، "),
            Some(other) => line(other),
        };
        if !value.is_empty() {
            lines.push_str(&format!("{words}: {value}\n"));
        }
    }
    lines
}

/// A value on one line.
fn line(value: &Value) -> String {
    let text = value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned);
    text.split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .chars()
        .take(LONGEST_VALUE)
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn i06_the_patient_stands_above_the_text_in_persian() {
        let told = context(Some(
            &json!({"age": 35, "gender": "male", "allergies": ["penicillin", "گرده\nگل"],
            "medications": [], "phone": "09120000000"}),
        ));
        assert_eq!(told, "سن: 35\nجنسیت: male\nحساسیت‌ها: penicillin، گرده گل\n");
        assert_eq!(context(None), "");
        for kind in KINDS {
            assert_eq!(instruction(kind).is_none(), kind == "general");
        }
    }
}
