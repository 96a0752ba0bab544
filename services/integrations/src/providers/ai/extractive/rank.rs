//! TextRank: a sentence is worth what the sentences like it are worth.

use std::collections::HashMap;

const DAMPING: f64 = 0.85;
const ROUNDS: usize = 40;

type Vector = HashMap<String, f64>;

/// TF-IDF vectors of length 1.
pub(super) fn vectors(documents: &[Vec<String>]) -> Vec<Vector> {
    let mut spread: HashMap<&str, f64> = HashMap::new();
    for words in documents {
        let mut seen: Vec<&str> = words.iter().map(String::as_str).collect();
        seen.sort_unstable();
        seen.dedup();
        for word in seen {
            *spread.entry(word).or_default() += 1.0;
        }
    }
    #[expect(
        clippy::cast_precision_loss,
        reason = "a conversation has fewer sentences than 2^52"
    )]
    let count = documents.len() as f64;
    documents
        .iter()
        .map(|words| {
            let mut vector = Vector::new();
            for word in words {
                let idf = (1.0 + count / spread[word.as_str()]).ln();
                *vector.entry(word.clone()).or_default() += idf;
            }
            let length = vector
                .values()
                .map(|weight| weight * weight)
                .sum::<f64>()
                .sqrt();
            if length > 0.0 {
                vector.values_mut().for_each(|weight| *weight /= length);
            }
            vector
        })
        .collect()
}

/// Likeness of two vectors, 0 to 1.
pub(super) fn likeness(a: &Vector, b: &Vector) -> f64 {
    let (short, long) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    short
        .iter()
        .filter_map(|(word, weight)| long.get(word).map(|other| weight * other))
        .sum()
}

/// The worth of each sentence, the best being 1.
pub(super) fn scores(vectors: &[Vector]) -> Vec<f64> {
    let count = vectors.len();
    let mut edges = vec![Vec::new(); count];
    let mut strength = vec![0.0; count];
    for i in 0..count {
        for j in 0..i {
            let alike = likeness(&vectors[i], &vectors[j]);
            if alike > 0.0 {
                edges[i].push((j, alike));
                edges[j].push((i, alike));
                strength[i] += alike;
                strength[j] += alike;
            }
        }
    }
    let mut worth = vec![1.0; count];
    for _ in 0..ROUNDS {
        worth = (0..count)
            .map(|i| {
                let voted: f64 = edges[i]
                    .iter()
                    .map(|(j, alike)| worth[*j] * alike / strength[*j])
                    .sum();
                (1.0 - DAMPING) + DAMPING * voted
            })
            .collect();
    }
    let best = worth.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
    worth.into_iter().map(|value| value / best).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sentence_that_others_resemble_wins() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let documents = [
            words("fever cough night"),
            words("fever cough since monday"),
            words("parking place"),
            words("cough syrup"),
        ];
        let worth = scores(&vectors(&documents));
        let best = worth
            .iter()
            .enumerate()
            .max_by(|a, b| a.1.total_cmp(b.1))
            .unwrap()
            .0;
        assert!(best < 2, "{worth:?}");
        assert!(worth[2] < worth[0] && worth[2] < worth[3]);
    }

    #[test]
    fn nothing_and_one_are_fine() {
        assert!(scores(&vectors(&[])).is_empty());
        assert_eq!(scores(&vectors(&[vec!["a".to_owned()]])).len(), 1);
    }
}
