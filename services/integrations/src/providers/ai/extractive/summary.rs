//! Summaries of a conversation from its own sentences.

use common_types::{Language, internal::integrations::SummarizeMessage};

use super::{
    rank,
    words::{content_words, is_medical, sentences},
};

/// Sentences that are looked at; older ones of a longer conversation are left out.
const MOST_SENTENCES: usize = 400;
/// Sentences of the short form.
const SHORT: usize = 4;
/// Sentences of the long form.
const LONG: usize = 14;
/// How much likeness to what is already chosen costs.
const REPETITION_COST: f64 = 0.5;
/// Likeness from which two sentences say the same.
const SAME: f64 = 0.9;

/// A summary in two lengths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// At most four sentences, in the order in which they were said.
    pub short: String,
    /// At most fourteen, under the name of who said them.
    pub long: String,
}

struct Sentence {
    author: String,
    text: String,
    words: Vec<String>,
    place: f64,
}

#[expect(clippy::cast_precision_loss, reason = "counts of sentences and words")]
fn ratio(part: usize, whole: usize) -> f64 {
    part as f64 / whole.max(1) as f64
}

fn collect(language: Language, messages: &[SummarizeMessage]) -> Vec<Sentence> {
    let mut all: Vec<Sentence> = messages
        .iter()
        .flat_map(|message| {
            sentences(&message.text)
                .into_iter()
                .map(|text| (message.author.clone(), text))
        })
        .map(|(author, text)| Sentence {
            words: content_words(language, &text),
            author,
            text,
            place: 0.0,
        })
        .filter(|sentence| !sentence.words.is_empty())
        .collect();
    if all.len() > MOST_SENTENCES {
        all.drain(..all.len() - MOST_SENTENCES);
    }
    let count = all.len();
    for (index, sentence) in all.iter_mut().enumerate() {
        // The complaint stands at the beginning, the conclusion at the end.
        let from_middle = (ratio(index, count.saturating_sub(1)) - 0.5).abs() * 2.0;
        sentence.place = from_middle;
    }
    all
}

fn weight(language: Language, sentence: &Sentence, rank: f64) -> f64 {
    let medical = sentence
        .words
        .iter()
        .filter(|word| is_medical(language, word))
        .count();
    let numbers = sentence
        .words
        .iter()
        .filter(|word| word.chars().any(|c| c.is_ascii_digit()))
        .count();
    let keywords = (ratio(medical, 3) + ratio(numbers, 4)).min(1.0);
    // A dose or a measured value.
    let measured = if medical > 0 && numbers > 0 {
        0.15
    } else {
        0.0
    };
    let doctor = if sentence.author == "doctor" {
        0.1
    } else {
        0.0
    };
    let question = if sentence.text.ends_with(['?', '؟']) {
        -0.4
    } else {
        0.0
    };
    let too_short = if sentence.words.len() < 2 { -0.2 } else { 0.0 };
    0.45 * rank + 0.35 * keywords + 0.15 * sentence.place + measured + doctor + question + too_short
}

/// The indices of the best sentences, in the order in which they were said: each next one is worth its weight less its
/// likeness to what is chosen already, and what was said before is not said again.
fn choose(
    weights: &[f64],
    vectors: &[std::collections::HashMap<String, f64>],
    count: usize,
) -> Vec<usize> {
    let mut chosen: Vec<usize> = Vec::new();
    while chosen.len() < count.min(weights.len()) {
        let alike = |index: usize| {
            chosen
                .iter()
                .map(|other| rank::likeness(&vectors[index], &vectors[*other]))
                .fold(0.0, f64::max)
        };
        let next = (0..weights.len())
            .filter(|index| !chosen.contains(index))
            .map(|index| (index, alike(index)))
            .filter(|(_, alike)| *alike < SAME)
            .map(|(index, alike)| (index, weights[index] - REPETITION_COST * alike))
            .max_by(|a, b| a.1.total_cmp(&b.1));
        match next {
            Some((index, _)) => chosen.push(index),
            None => break,
        }
    }
    chosen.sort_unstable();
    chosen
}

fn speaker(language: Language, author: &str) -> String {
    let words = match author {
        "patient" => ["بیمار", "Patient", "Patient"],
        "doctor" => ["پزشک", "Médecin", "Doctor"],
        other => return other.to_owned(),
    };
    words[match language {
        Language::Fa => 0,
        Language::Fr => 1,
        Language::En => 2,
    }]
    .to_owned()
}

/// Sums up a conversation, oldest message first. Empty for a conversation without words.
pub fn summarize(language: Language, messages: &[SummarizeMessage]) -> Summary {
    let all = collect(language, messages);
    let vectors = rank::vectors(
        &all.iter()
            .map(|sentence| sentence.words.clone())
            .collect::<Vec<_>>(),
    );
    let ranks = rank::scores(&vectors);
    let weights: Vec<f64> = all
        .iter()
        .zip(&ranks)
        .map(|(sentence, rank)| weight(language, sentence, *rank))
        .collect();
    let short = choose(
        &weights,
        &vectors,
        all.len().div_ceil(2).clamp(SHORT - 1, SHORT),
    );
    let long = choose(&weights, &vectors, LONG);
    let mut text = String::new();
    let mut last_author: Option<&str> = None;
    for index in long {
        let sentence = &all[index];
        if last_author == Some(sentence.author.as_str()) {
            text.push(' ');
        } else {
            if last_author.is_some() {
                text.push('\n');
            }
            text.push_str(&speaker(language, &sentence.author));
            text.push_str(": ");
            last_author = Some(&sentence.author);
        }
        text.push_str(&sentence.text);
    }
    let short = short
        .into_iter()
        .map(|index| all[index].text.as_str())
        .collect::<Vec<_>>()
        .join(" ");
    Summary { short, long: text }
}

#[cfg(test)]
mod tests {
    use chrono::Utc;
    use proptest::prelude::*;

    use super::*;

    fn said(author: &str, text: &str) -> SummarizeMessage {
        SummarizeMessage {
            author: author.into(),
            text: text.into(),
            at: Utc::now(),
        }
    }

    #[test]
    fn what_matters_is_kept_in_three_languages() {
        let fa = [
            said(
                "patient",
                "سلام دکتر. خوبید؟ از سه روز پیش تب ۳۸.۵ و سرفه خشک دارم.",
            ),
            said("doctor", "سلام. آیا به دارویی حساسیت دارید؟"),
            said(
                "patient",
                "بله، به پنی‌سیلین حساسیت دارم. هوا هم که خیلی سرد شده.",
            ),
            said(
                "doctor",
                "قرص استامینوفن هر ۸ ساعت و آزمایش خون فردا. اگر تنگی نفس داشتید به اورژانس مراجعه کنید.",
            ),
            said("patient", "ممنون. خداحافظ."),
        ];
        let summary = summarize(Language::Fa, &fa);
        for needle in ["تب ۳۸.۵", "حساسیت دارم", "استامینوفن"] {
            assert!(
                summary.short.contains(needle),
                "{needle}: {}",
                summary.short
            );
        }
        assert!(!summary.short.contains("خداحافظ") && summary.long.contains("پزشک: "));
        let fr = [
            said(
                "patient",
                "Bonjour docteur. J'ai de la fièvre et une toux depuis trois jours. Il pleut beaucoup ici.",
            ),
            said(
                "doctor",
                "Prenez un comprimé de paracétamol 500 mg toutes les 6 heures. Bonne journée.",
            ),
        ];
        let summary = summarize(Language::Fr, &fr);
        assert!(
            summary.short.contains("paracétamol") && summary.short.contains("fièvre"),
            "{}",
            summary.short
        );
        let en = [
            said(
                "patient",
                "Hello. I have had chest pain since Monday. My neighbour says hi.",
            ),
            said(
                "doctor",
                "Please do an ECG and a blood test today. Stop the tablets if the pain gets worse.",
            ),
        ];
        let summary = summarize(Language::En, &en);
        assert!(
            summary.short.contains("chest pain") || summary.long.contains("chest pain"),
            "{}",
            summary.short
        );
        assert!(!summary.short.contains("neighbour"), "{}", summary.short);
    }

    #[test]
    fn every_sentence_was_said_and_repetitions_are_dropped() {
        let messages = [
            said(
                "patient",
                "I have a fever of 39 degrees. I have a fever of 39 degrees. I take insulin daily.",
            ),
            said("doctor", "Come to the clinic. Bring your blood test."),
        ];
        let summary = summarize(Language::En, &messages);
        assert_eq!(
            summary.short.matches("fever of 39").count(),
            1,
            "{}",
            summary.short
        );
        assert_eq!(
            summarize(Language::En, &[]),
            Summary {
                short: String::new(),
                long: String::new()
            }
        );
    }

    proptest! {
        #[test]
        fn no_conversation_panics_and_nothing_is_invented(texts in proptest::collection::vec(".{0,120}", 0..12)) {
            let messages: Vec<_> = texts.iter().map(|text| said("patient", text)).collect();
            let joined: String = texts.iter().flat_map(|t| t.split_whitespace()).collect::<Vec<_>>().join(" ");
            let summary = summarize(Language::En, &messages);
            for word in summary.short.split_whitespace() {
                prop_assert!(joined.contains(word));
            }
        }
    }
}
