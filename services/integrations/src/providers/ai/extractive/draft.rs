//! Drafts: an outline made of the prompt's own words, which says that it is one.

use std::collections::HashMap;

use common_types::Language;

use super::{
    super::estimate_tokens,
    MODEL,
    words::{content_words, sentences},
};

struct Phrases {
    about: &'static str,
    points: &'static str,
    questions: &'static str,
    what: &'static str,
    when: &'static str,
    next: &'static str,
    given: &'static str,
    note: &'static str,
}

const FA: Phrases = Phrases {
    about: "این پیش‌نویس ساختار مطلبی درباره «{}» را از روی درخواست می‌چیند.",
    points: "نکته‌های اصلی",
    questions: "پرسش‌هایی که متن باید پاسخ دهد",
    what: "«{}» چیست و برای چه کسی مهم است؟",
    when: "درباره «{}» چه زمانی باید به پزشک مراجعه کرد؟",
    next: "گام بعدی خواننده چیست و با چه کسی تماس بگیرد؟",
    given: "آنچه در درخواست آمده است",
    note: "این متن را سازنده درونی {} از واژه‌های درخواست چیده است؛ مدل زبانی در کار نبوده و محتوای پزشکی را باید نویسنده بنویسد و بررسی کند.",
};
const FR: Phrases = Phrases {
    about: "Ce brouillon ordonne, d’après la demande, un texte sur « {} ».",
    points: "Points principaux",
    questions: "Questions auxquelles le texte doit répondre",
    what: "Qu’est-ce que « {} » et qui cela concerne-t-il ?",
    when: "Quand faut-il consulter au sujet de « {} » ?",
    next: "Quelle est la prochaine étape pour le lecteur, et qui appeler ?",
    given: "Ce que dit la demande",
    note: "Ce texte a été composé par {} à partir des mots de la demande, sans modèle de langue ; le contenu médical reste à écrire et à vérifier par l’auteur.",
};
const EN: Phrases = Phrases {
    about: "This draft arranges, from the request, a text about “{}”.",
    points: "Main points",
    questions: "Questions that the text has to answer",
    what: "What is “{}”, and whom does it concern?",
    when: "When should somebody see a doctor about “{}”?",
    next: "What is the reader's next step, and whom should they call?",
    given: "What the request says",
    note: "This text was composed by {} from the words of the request, without a language model; the medical content has to be written and checked by the author.",
};

/// The first sentence without quotation marks, cut at sixty characters on a word's end.
fn topic(prompt: &str) -> String {
    let first = sentences(prompt).into_iter().next().unwrap_or_default();
    let trimmed = first.trim_matches(|c: char| c.is_whitespace() || "\"'«»“”.:!?؟؛".contains(c));
    let mut topic = String::new();
    for word in trimmed.split_whitespace() {
        if topic.chars().count() + word.chars().count() > 60 {
            break;
        }
        if !topic.is_empty() {
            topic.push(' ');
        }
        topic.push_str(word);
    }
    topic
}

/// The prompt's words by how often they come, then by first appearance.
fn key_words(language: Language, prompt: &str, count: usize) -> Vec<String> {
    let mut counted: HashMap<String, (usize, usize)> = HashMap::new();
    for (place, word) in content_words(language, prompt).into_iter().enumerate() {
        if word.chars().count() > 2 && !word.chars().all(|c| c.is_ascii_digit()) {
            counted.entry(word).or_insert((0, place)).0 += 1;
        }
    }
    let mut words: Vec<_> = counted.into_iter().collect();
    words.sort_by_key(|(_, (often, place))| (std::cmp::Reverse(*often), *place));
    words
        .into_iter()
        .take(count)
        .map(|(word, _)| word)
        .collect()
}

/// Composes an outline within `max_tokens` (as estimated); the note about its origin is never cut.
pub(super) fn compose(prompt: &str, language: Language, max_tokens: u32) -> String {
    let phrases = match language {
        Language::Fa => FA,
        Language::Fr => FR,
        Language::En => EN,
    };
    let fill = |template: &str, value: &str| template.replace("{}", value);
    let topic = topic(prompt);
    let keys = key_words(language, prompt, 5);
    let mut lines = vec![
        format!("# {topic}"),
        String::new(),
        fill(phrases.about, &topic),
        String::new(),
    ];
    lines.push(format!("## {}", phrases.points));
    lines.extend(keys.iter().map(|key| format!("- {key}")));
    lines.extend([String::new(), format!("## {}", phrases.questions)]);
    for key in keys.iter().take(3) {
        lines.push(format!("- {}", fill(phrases.what, key)));
        lines.push(format!("- {}", fill(phrases.when, key)));
    }
    lines.push(format!("- {}", phrases.next));
    lines.extend([String::new(), format!("## {}", phrases.given)]);
    lines.extend(
        sentences(prompt)
            .into_iter()
            .take(12)
            .map(|sentence| format!("- {sentence}")),
    );
    let note = fill(phrases.note, MODEL);
    let budget = i64::from(max_tokens) - estimate_tokens(&note) - 1;
    let mut text = String::new();
    for line in lines {
        if estimate_tokens(&text) + estimate_tokens(&line) > budget {
            break;
        }
        text.push_str(&line);
        text.push('\n');
    }
    text.push('\n');
    text.push_str(&note);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draft_is_made_of_the_prompt_and_says_so() {
        for (prompt, language, word) in [
            (
                "درباره دیابت نوع دو برای بیماران بنویس. دیابت شایع است.",
                Language::Fa,
                "دیابت",
            ),
            (
                "Rédige un article sur le diabète. Le diabète est fréquent.",
                Language::Fr,
                "diabète",
            ),
            (
                "Write about diabetes care. Diabetes is common.",
                Language::En,
                "diabete",
            ),
        ] {
            let text = compose(prompt, language, 1_000);
            assert!(text.contains(MODEL) && text.contains(word), "{text}");
            assert!(estimate_tokens(&text) <= 1_000);
        }
    }

    #[test]
    fn a_small_budget_keeps_the_note() {
        let text = compose(
            &"long prompt about many things. ".repeat(200),
            Language::En,
            60,
        );
        assert!(text.contains(MODEL));
        assert!(text.len() < 400, "{}", text.len());
        assert!(compose("", Language::Fa, 1).contains(MODEL));
    }
}
