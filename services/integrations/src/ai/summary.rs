//! Summaries of conversations: by a language model when one is live and the organisation is known, else by the built-in
//! one. What looks like a number or an address of a person does not leave the house.

use common_types::{
    Language,
    internal::integrations::{AiGenerateRequest, SummarizeRequest, SummarizeResponse},
};
use uuid::Uuid;

use super::{call::Call, error::AiError, service};
use crate::{
    AppState,
    providers::{
        Adapter,
        ai::extractive::{self, MODEL},
    },
};

const MOST_MESSAGES: usize = 2_000;

/// Sums up a conversation.
///
/// # Errors
/// [`AiError`].
pub(crate) async fn summarize(
    state: &AppState,
    owner: &str,
    request: SummarizeRequest,
) -> Result<SummarizeResponse, AiError> {
    if request.messages.len() > MOST_MESSAGES {
        return Err(AiError::Invalid(
            "messages",
            format!("At most {MOST_MESSAGES} messages are expected."),
        ));
    }
    let live = state.registry.of_type(state, "ai").await?;
    let built_in = live
        .iter()
        .any(|provider| provider.adapter == Adapter::Extractive);
    let real = live.iter().any(|provider| !provider.adapter.is_stand_in());
    if let (true, Some(organization_id)) = (real, request.organization_id) {
        match by_model(state, owner, &request, organization_id).await {
            Err(error @ (AiError::Provider(_) | AiError::NoProvider)) if built_in => {
                tracing::warn!(%error, "no model made the summary; the built-in one does");
            }
            done => return done,
        }
    }
    if !built_in {
        return Err(AiError::NoProvider);
    }
    // Pure computation over a whole conversation: not on an async thread.
    let summary = tokio::task::spawn_blocking(move || {
        extractive::summarize(request.language, &request.messages)
    })
    .await
    .map_err(|error| AiError::Unexpected(error.into()))?;
    Ok(SummarizeResponse {
        summary_text: summary.short,
        content: summary.long,
        model: MODEL.to_owned(),
    })
}

async fn by_model(
    state: &AppState,
    owner: &str,
    request: &SummarizeRequest,
    organization_id: Uuid,
) -> Result<SummarizeResponse, AiError> {
    let system = match request.language {
        Language::Fa => {
            "گفت‌وگوی زیر میان بیمار و پزشک است. آن را برای پزشک دیگری در یک بند کوتاه فارسی خلاصه کن؛ چیزی نیفزا."
        }
        Language::Fr => {
            "Résumez en un court paragraphe en français, pour un autre médecin, la conversation suivante entre un patient et un médecin. N’ajoutez rien."
        }
        Language::En => {
            "Sum up the following conversation between a patient and a doctor in one short paragraph for another doctor. Add nothing."
        }
    };
    let conversation = newest(
        request
            .messages
            .iter()
            .map(|message| format!("{}: {}\n", message.author, mask(&message.text))),
        state.settings.ai.input_bytes.saturating_sub(system.len()),
    );
    let asked = AiGenerateRequest {
        purpose: "chat_summary".to_owned(),
        prompt: conversation,
        system_prompt: Some(system.to_owned()),
        max_tokens: 500,
        temperature: 0.2,
        model: None,
        language: Some(request.language),
        user_id: request.user_id,
        organization_id,
        workspace_id: None,
        content_id: None,
        reservation_key: Uuid::now_v7().to_string(),
    };
    let call = Call::of_service(owner.to_owned(), asked);
    let made = service::generate(state, call, None).await?.response;
    Ok(SummarizeResponse {
        summary_text: made.text.clone(),
        content: made.text,
        model: made.model,
    })
}

/// The newest lines that fit into `most` bytes, oldest first: the end of a conversation says what was decided.
fn newest(lines: impl DoubleEndedIterator<Item = String>, most: usize) -> String {
    let mut room = most;
    let mut kept: Vec<String> = lines
        .rev()
        .take_while(|line| {
            let fits = line.len() <= room;
            room = room.saturating_sub(line.len());
            fits
        })
        .collect();
    kept.reverse();
    kept.concat()
}

/// Replaces e-mail addresses and runs of seven or more digits (phones, national ids, cards).
fn mask(text: &str) -> String {
    text.split_inclusive(char::is_whitespace)
        .map(|word| {
            let digits = word.chars().filter(|c| c.is_numeric()).count();
            if digits >= 7 {
                "[number] ".to_owned()
            } else if word.contains('@') {
                "[address] ".to_owned()
            } else {
                word.to_owned()
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{mask, newest};

    #[test]
    fn the_newest_lines_fit() {
        let lines = ["aaaa\n", "bb\n", "cc\n"].map(str::to_owned);
        assert_eq!(newest(lines.clone().into_iter(), 6), "bb\ncc\n");
        assert_eq!(newest(lines.into_iter(), 100), "aaaa\nbb\ncc\n");
    }

    #[test]
    fn numbers_and_addresses_of_people_are_masked() {
        let masked = mask("شماره من ۰۹۱۲۱۲۳۴۵۶۷ است و a@b.ir هم، تب ۳۸.۵");
        assert!(
            !masked.contains("۰۹۱۲") && !masked.contains("a@b.ir") && masked.contains("۳۸.۵"),
            "{masked}"
        );
    }
}
