//! Sentences, words, and the words that matter.

use common_types::Language;
use unicode_segmentation::UnicodeSegmentation;

const STOP_FA: &str = "و در به از که این را با است برای آن یک خود تا کرد بر هم نیز شد بود شده می نمی ها های من تو او ما شما آنها \
    هست نیست دارم دارد دارید داره اگر ولی اما یا چه چی چند همه هر پس بعد قبل هنوز فقط خیلی باید شاید کنید کنم کند کنه میشه \
    میکنم میکنه سلام ممنون مرسی لطفا بله نه خب باشه آقای خانم دکتر درباره مورد بنویس بنویسید";
const STOP_FR: &str = "le la les un une des de du d l et ou mais donc or ni car que qui quoi dont où à au aux en dans par pour sur \
    avec sans sous ce cet cette ces mon ma mes ton ta tes son sa ses notre nos votre vos leur leurs je tu il elle on nous vous ils \
    elles me te se y ne pas plus est sont suis êtes était ai as a avons avez ont être avoir fait faire c s n j m t qu si très bien \
    bonjour merci oui non docteur monsieur madame écris écrire écrivez rédige rédigez";
const STOP_EN: &str = "the a an and or but so of to in on at by for with from as is are was were be been am it its this that these \
    those i you he she we they me him her us them my your his our their do does did have has had not no yes can could will would \
    should if then than there here what which who when where how why very just about into over under again hello hi thanks thank \
    please okay ok doctor write make";

const MEDICAL_FA: &str = "درد تب سرفه دارو داروی قرص شربت آزمایش فشار قند آلرژی حساسیت جراحی بارداری نفس تهوع استفراغ سردرد نسخه دوز \
    علائم تشخیص درمان مراجعه اورژانس عفونت خونریزی زخم ضربان قلب کلیه کبد ریه معده سابقه بیماری آنتی‌بیوتیک میلی‌گرم سونوگرافی \
    رادیولوژی نوبت تورم خارش سرگیجه ضعف وزن خواب مسکن انسولین دیابت میگرن التهاب واکسن";
const MEDICAL_FR: &str = "douleur douleurs fièvre toux médicament médicaments comprimé comprimés sirop analyse analyses tension \
    glycémie allergie chirurgie grossesse essoufflement nausée nausées vomissement vomissements ordonnance dose symptôme symptômes \
    diagnostic traitement urgences infection saignement plaie cœur coeur rein foie poumon estomac antécédent antécédents maladie \
    antibiotique échographie radiographie rendez-vous œdème vertige vertiges fatigue poids sommeil insuline diabète migraine vaccin";
const MEDICAL_EN: &str = "pain fever cough medicine medication tablet tablets pill pills syrup test tests pressure sugar allergy \
    allergic surgery pregnant pregnancy breath nausea vomiting headache prescription dose symptom symptoms diagnosis treatment \
    emergency infection bleeding wound heart kidney liver lung stomach history disease antibiotic antibiotics ultrasound x-ray \
    appointment swelling dizziness fatigue weight sleep insulin diabetes migraine vaccine chronic daily";

fn list(
    language: Language,
    fa: &'static str,
    fr: &'static str,
    en: &'static str,
) -> impl Iterator<Item = &'static str> {
    match language {
        Language::Fa => fa,
        Language::Fr => fr,
        Language::En => en,
    }
    .split_whitespace()
}

/// Whether a word only binds others.
pub(super) fn is_stop(language: Language, word: &str) -> bool {
    list(language, STOP_FA, STOP_FR, STOP_EN).any(|stop| stop == word)
}

/// Whether a word speaks of health.
pub(super) fn is_medical(language: Language, word: &str) -> bool {
    let known = |candidate: &str| {
        list(language, MEDICAL_FA, MEDICAL_FR, MEDICAL_EN)
            .any(|medical| normalise(medical) == candidate)
    };
    known(word) || known(&stem(language, word))
}

/// One spelling of a word: lower case, Persian letters instead of Arabic ones, ASCII digits, no joiner.
pub(super) fn normalise(word: &str) -> String {
    word.chars()
        .filter(|c| !matches!(c, '\u{200c}' | '\u{200d}' | '\u{0640}'))
        .flat_map(char::to_lowercase)
        .map(|c| match c {
            'ي' => 'ی',
            'ك' => 'ک',
            '\u{06f0}'..='\u{06f9}' => char::from_u32(u32::from(c) - 0x06f0 + 0x30).unwrap_or(c),
            '\u{0660}'..='\u{0669}' => char::from_u32(u32::from(c) - 0x0660 + 0x30).unwrap_or(c),
            other => other,
        })
        .collect()
}

/// Takes off the commonest endings, so that `pains` meets `pain`.
pub(super) fn stem(language: Language, word: &str) -> String {
    let endings: &[&str] = match language {
        Language::Fa => &["هایی", "های", "ها", "ام", "اش"],
        Language::Fr => &["s", "x"],
        Language::En => &["s", "'s"],
    };
    for ending in endings {
        if let Some(stem) = word.strip_suffix(ending)
            && stem.chars().count() >= 3
        {
            return stem.to_owned();
        }
    }
    word.to_owned()
}

/// The words of a sentence that carry meaning, in one spelling.
pub(super) fn content_words(language: Language, sentence: &str) -> Vec<String> {
    // The joiner splits Persian words for the segmenter, yet writes one word.
    let joined: String = sentence
        .chars()
        .filter(|c| !matches!(c, '\u{200c}' | '\u{200d}'))
        .collect();
    joined
        .unicode_words()
        .flat_map(|word| word.split(['\'', '’']))
        .map(normalise)
        .filter(|word| word.chars().count() > 1 || word.chars().all(|c| c.is_ascii_digit()))
        .filter(|word| !word.is_empty() && !is_stop(language, word))
        .map(|word| stem(language, &word))
        .collect()
}

const ABBREVIATIONS: [&str; 12] = [
    "dr", "mr", "mrs", "ms", "m", "mme", "mlle", "st", "no", "vs", "e.g", "i.e",
];

/// Splits a text into sentences; a point in a number or after an abbreviation ends none.
pub(super) fn sentences(text: &str) -> Vec<String> {
    let characters: Vec<char> = text.chars().collect();
    let mut found = Vec::new();
    let mut current = String::new();
    for (index, c) in characters.iter().enumerate() {
        let next = characters.get(index + 1);
        if *c == '\n' {
            found.push(std::mem::take(&mut current));
            continue;
        }
        current.push(*c);
        let ends = match c {
            '!' | '?' | '؟' | '…' | '؛' => next.is_none_or(|next| next.is_whitespace()),
            '.' => {
                let last = current
                    .trim_end_matches('.')
                    .split_whitespace()
                    .next_back()
                    .unwrap_or("")
                    .to_lowercase();
                next.is_none_or(|next| next.is_whitespace())
                    && !ABBREVIATIONS.contains(&last.as_str())
            }
            _ => false,
        };
        if ends {
            found.push(std::mem::take(&mut current));
        }
    }
    found.push(current);
    found
        .into_iter()
        .map(|s| s.split_whitespace().collect::<Vec<_>>().join(" "))
        .filter(|s| s.chars().any(char::is_alphanumeric))
        .collect()
}

/// The language of a text by its script, then by its small words.
pub fn guess_language(text: &str) -> Language {
    let letters = text.chars().filter(|c| c.is_alphabetic()).count();
    let arabic = text
        .chars()
        .filter(|c| ('\u{0600}'..='\u{06ff}').contains(c))
        .count();
    if letters > 0 && arabic * 10 >= letters * 3 {
        return Language::Fa;
    }
    let words: Vec<String> = text
        .unicode_words()
        .flat_map(|word| word.split(['\'', '’']))
        .map(normalise)
        .collect();
    let hits = |language| words.iter().filter(|word| is_stop(language, word)).count();
    if hits(Language::Fr) > hits(Language::En) {
        Language::Fr
    } else {
        Language::En
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_end_where_readers_see_an_end() {
        assert_eq!(
            sentences("تب ۳۸.۵ دارم. از دیروز سرفه می‌کنم؟ بله!"),
            ["تب ۳۸.۵ دارم.", "از دیروز سرفه می‌کنم؟", "بله!"]
        );
        assert_eq!(
            sentences("Dr. Diop called. Take 2.5 mg."),
            ["Dr. Diop called.", "Take 2.5 mg."]
        );
        assert_eq!(
            sentences("M. Ba a de la fièvre.\nDepuis hier"),
            ["M. Ba a de la fièvre.", "Depuis hier"]
        );
        assert!(sentences(" … \n !").is_empty());
    }

    #[test]
    fn languages_are_told_apart() {
        assert_eq!(guess_language("درباره دیابت بنویس"), Language::Fa);
        assert_eq!(
            guess_language("Écrivez un article sur le diabète pour les patients"),
            Language::Fr
        );
        assert_eq!(
            guess_language("Write an article about diabetes for the patients"),
            Language::En
        );
    }

    #[test]
    fn one_word_has_one_spelling() {
        assert_eq!(
            content_words(Language::Fa, "دارو‌های كلیه"),
            ["دارو", "کلیه"]
        );
        assert!(is_medical(Language::Fr, "douleurs"));
        assert!(is_medical(Language::Fa, "دارو"));
    }
}
