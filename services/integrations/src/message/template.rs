//! Templates: a logical key and what it is called at each provider.

use super::model::{self, Content};
use crate::providers::{Adapter, LiveProvider, Template};

/// The form in which a provider can carry a message.
pub(super) enum Prepared {
    Ready {
        text: String,
        template: Option<Template>,
    },
    NoTemplate,
}

/// Picks the provider's own template, else the owner's text, else the text that the template registry has.
pub(super) fn prepare(
    provider: &LiveProvider,
    content: &Content,
    templates: &[(String, String)],
) -> Prepared {
    let Some((key, tokens)) = &content.template else {
        return Prepared::Ready {
            text: content.text.clone(),
            template: None,
        };
    };
    let find = |slug: &str| {
        templates
            .iter()
            .find(|(owner, _)| owner == slug)
            .map(|(_, value)| value.clone())
    };
    let template = find(provider.adapter.as_str()).or_else(|| find(&provider.slug));
    if let Some(name) = template {
        return Prepared::Ready {
            text: content.text.clone(),
            template: Some(Template {
                name,
                tokens: tokens.clone(),
            }),
        };
    }
    // The owner composed a text, so a provider without this template can carry that.
    if !content.text.is_empty() {
        return Prepared::Ready {
            text: content.text.clone(),
            template: None,
        };
    }
    if provider.adapter == Adapter::Kavenegar {
        return Prepared::Ready {
            text: String::new(),
            template: Some(Template {
                name: key.clone(),
                tokens: tokens.clone(),
            }),
        };
    }
    match find("") {
        Some(text) => Prepared::Ready {
            text: model::render(&text, tokens),
            template: None,
        },
        None => Prepared::NoTemplate,
    }
}
