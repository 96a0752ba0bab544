//! The HTML part of e-mails: one quiet page in the direction of its language. Values are escaped wherever they stand.

use std::collections::BTreeMap;

use common_types::Language;

use super::model;

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// Fills `%token…` in a template's HTML.
pub(super) fn render_html(html: &str, tokens: &BTreeMap<String, String>) -> String {
    let escaped = tokens
        .iter()
        .map(|(name, value)| (name.clone(), escape(value)))
        .collect();
    model::render(html, &escaped)
}

/// A page around a text: its paragraphs are separated by empty lines.
pub(super) fn layout(language: Language, subject: Option<&str>, text: &str) -> String {
    let direction = if language.is_right_to_left() {
        "rtl"
    } else {
        "ltr"
    };
    let paragraphs: String = text
        .split("\n\n")
        .map(|paragraph| format!("<p>{}</p>", escape(paragraph).replace('\n', "<br>")))
        .collect();
    format!(
        "<!DOCTYPE html><html lang=\"{language}\" dir=\"{direction}\"><head><meta charset=\"utf-8\"><title>{}</title></head>\
         <body style=\"margin:0;padding:24px;font-family:Vazirmatn,Tahoma,Arial,sans-serif;font-size:16px;line-height:1.7;color:#1c2430;\
         background:#ffffff\"><div style=\"max-width:560px;margin:0 auto\">{paragraphs}</div></body></html>",
        escape(subject.unwrap_or_default())
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_cannot_become_markup() {
        let tokens = BTreeMap::from([("token".to_owned(), "<script>\"&'".to_owned())]);
        assert_eq!(
            render_html("<b>%token</b>", &tokens),
            "<b>&lt;script&gt;&quot;&amp;&#39;</b>"
        );
        let page = layout(Language::Fa, Some("<x>"), "a<b\nc\n\nd");
        assert!(page.contains("dir=\"rtl\"") && page.contains("<p>a&lt;b<br>c</p><p>d</p>"));
        assert!(page.contains("<title>&lt;x&gt;</title>"));
        assert!(layout(Language::Fr, None, "a").contains("lang=\"fr\" dir=\"ltr\""));
    }
}
