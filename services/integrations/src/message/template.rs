//! Templates: a logical key and what it is called at each provider, or the text for those that have no templates.

use common_types::{Language, internal::integrations::Channel};

use super::{
    links, mail,
    model::{self, Content},
    segments,
    store::TemplateValue,
};
use crate::{
    defaults::EMAIL,
    providers::{Adapter, LiveProvider, Template},
};

/// The form in which a provider can carry a message.
pub(super) enum Prepared {
    Ready {
        text: String,
        subject: Option<String>,
        html: Option<String>,
        template: Option<Template>,
    },
    NoTemplate,
}

impl Prepared {
    fn text(text: String) -> Self {
        Self::Ready {
            text,
            subject: None,
            html: None,
            template: None,
        }
    }

    /// Parts of the text, as far as we know it.
    pub(super) fn segments(&self) -> Option<i32> {
        match self {
            Self::Ready { text, .. } if !text.is_empty() => Some(segments::parts(text)),
            _ => None,
        }
    }
}

/// The form in which a provider can carry a message; links are taken out where it forbids them.
pub(super) fn prepare(
    provider: &LiveProvider,
    channel: Channel,
    language: Language,
    content: &Content,
    templates: &[TemplateValue],
) -> Prepared {
    match pick(provider, channel, language, content, templates) {
        Prepared::Ready {
            text,
            subject,
            html,
            template: None,
        } if channel == Channel::Sms && provider.settings.forbids_links => Prepared::Ready {
            text: links::without(&text),
            subject,
            html,
            template: None,
        },
        prepared => prepared,
    }
}

/// Picks the provider's own template, else the owner's text, else the text that the template registry has.
fn pick(
    provider: &LiveProvider,
    channel: Channel,
    language: Language,
    content: &Content,
    templates: &[TemplateValue],
) -> Prepared {
    if channel == Channel::Email {
        return e_mail(language, content, templates);
    }
    let Some((key, tokens)) = &content.template else {
        if provider.adapter.templates_only() {
            return Prepared::NoTemplate;
        }
        return Prepared::text(content.text.clone());
    };
    let find = |slug: &str| templates.iter().find(|entry| entry.provider_slug == slug);
    let named = |name: String| {
        // What its receiver will read, as far as the registry knows it.
        let text = match find("") {
            Some(entry) if content.text.is_empty() => model::render(&entry.value, tokens),
            _ => content.text.clone(),
        };
        Prepared::Ready {
            text,
            subject: None,
            html: None,
            template: Some(Template {
                name,
                tokens: tokens.clone(),
            }),
        }
    };
    if let Some(entry) = find(&provider.slug).or_else(|| find(provider.adapter.as_str())) {
        return named(entry.value.clone());
    }
    // A number is the provider's own (`template_id` of contract I20).
    if provider.adapter.numbers_templates() && key.bytes().all(|byte| byte.is_ascii_digit()) {
        return named(key.clone());
    }
    if provider.adapter.templates_only() {
        return Prepared::NoTemplate;
    }
    // The owner composed a text, so a provider without this template can carry that.
    if !content.text.is_empty() {
        return Prepared::text(content.text.clone());
    }
    if provider.adapter == Adapter::Kavenegar {
        return named(key.clone());
    }
    match find("") {
        Some(entry) => Prepared::text(model::render(&entry.value, tokens)),
        None => Prepared::NoTemplate,
    }
}

/// An e-mail as its owner composed it, else by the registry; the HTML part is made from the text where there is none.
fn e_mail(language: Language, content: &Content, templates: &[TemplateValue]) -> Prepared {
    let entry = content
        .template
        .as_ref()
        .and_then(|(_, tokens)| {
            let entry = templates
                .iter()
                .find(|entry| entry.provider_slug == EMAIL)?;
            Some((entry, tokens))
        })
        .filter(|_| content.text.is_empty());
    if content.text.is_empty() && entry.is_none() {
        return Prepared::NoTemplate;
    }
    let (text, subject, html) = match entry {
        Some((entry, tokens)) => (
            model::render(&entry.value, tokens),
            entry
                .subject
                .as_deref()
                .map(|subject| model::render(subject, tokens)),
            entry
                .html
                .as_deref()
                .map(|html| mail::render_html(html, tokens)),
        ),
        None => (content.text.clone(), None, content.html.clone()),
    };
    let subject = content.subject.clone().or(subject);
    let html = html.unwrap_or_else(|| mail::layout(language, subject.as_deref(), &text));
    Prepared::Ready {
        text,
        subject,
        html: Some(html),
        template: None,
    }
}
