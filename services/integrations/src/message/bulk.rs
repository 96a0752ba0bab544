//! One text to many receivers: texts of one request go together in as few calls as the provider's batch limit allows.

use std::{collections::BTreeMap, time::Instant};

use uuid::Uuid;

use super::{
    deliver::{self, Receipts, Round},
    model::Content,
    record::Result,
    segments,
    store::MessageRow,
    worker::{LIMITS, queued_change, send_one},
};
use crate::{
    AppState,
    providers::{LiveProvider, MessageProvider, Outgoing, SendOutcome},
};

type Opened = (MessageRow, Content);
/// Request, organisation, provider and text.
type Key = (Uuid, Option<Uuid>, String, String);

/// Texts for one call.
pub(super) struct Group {
    provider: LiveProvider,
    rows: Vec<Opened>,
}

/// Parts what can go together from what goes alone.
pub(super) async fn split(
    state: &AppState,
    rows: Vec<Opened>,
) -> anyhow::Result<(Vec<Group>, Vec<Opened>)> {
    let mut single = Vec::new();
    let mut alike: BTreeMap<Key, (LiveProvider, Vec<Opened>)> = BTreeMap::new();
    for (row, content) in rows {
        let Some(batch) = row.batch_id.filter(|_| content.template.is_none()) else {
            single.push((row, content));
            continue;
        };
        let channel = deliver::channel_of(&row);
        let failed = &row.failed_providers;
        let candidates = deliver::candidates(state, channel, &content.to, failed).await?;
        let first = candidates.into_iter().find(|provider| {
            provider
                .messages(state, row.organization_id)
                .is_some_and(|_| !provider.adapter.templates_only())
        });
        match first {
            None => single.push((row, content)),
            Some(provider) => {
                let key = (
                    batch,
                    row.organization_id,
                    provider.slug.clone(),
                    content.text.clone(),
                );
                let entry = alike.entry(key).or_insert_with(|| (provider, Vec::new()));
                entry.1.push((row, content));
            }
        }
    }
    let mut groups = Vec::new();
    for ((_, organization, _, text), (provider, rows)) in alike {
        let limit = provider
            .messages(state, organization)
            .map_or(1, |client| client.bulk_limit(&text));
        if limit < 2 || rows.len() < 2 {
            single.extend(rows);
            continue;
        }
        let mut rows = rows.into_iter().peekable();
        while rows.peek().is_some() {
            groups.push(Group {
                provider: provider.clone(),
                rows: rows.by_ref().take(limit).collect(),
            });
        }
    }
    Ok((groups, single))
}

/// Sends a group. What the provider refused goes on alone, through the whole order of providers.
pub(super) async fn send(state: &AppState, group: Group) -> Vec<Result> {
    let organization = group.rows.first().and_then(|(row, _)| row.organization_id);
    let rule = deliver::breaker_rule(state);
    let breakers = &state.registry.kept.breakers;
    let slug = &group.provider.slug;
    let client = group
        .provider
        .messages(state, organization)
        .filter(|_| breakers.admits(slug, rule, state.now()));
    let Some(client) = client else {
        return alone(state, group.rows).await;
    };
    let started = Instant::now();
    let outcomes = call(client.as_ref(), &group.rows).await;
    if let Some(outcome) = outcomes.first() {
        breakers.note(slug, rule, outcome, state.now());
    }
    let receipts = if client.gives_receipts() {
        Receipts::Asked
    } else if client.pushes_receipts() {
        Receipts::Posted
    } else {
        Receipts::None
    };
    let (mut results, mut refused) = (Vec::new(), Vec::new());
    for ((row, content), outcome) in group.rows.into_iter().zip(outcomes) {
        if matches!(outcome, SendOutcome::Refused { .. }) {
            refused.push((row, content));
            continue;
        }
        let took = started.elapsed();
        let round = Round {
            attempts: vec![deliver::attempt(
                row.id,
                &group.provider,
                &outcome,
                took,
                state,
            )],
            receipts: if matches!(outcome, SendOutcome::Accepted { .. }) {
                receipts
            } else {
                Receipts::None
            },
            segments: Some(segments::parts(&content.text)),
            provider: Some(group.provider.clone()),
            outcome,
        };
        let change = queued_change(state, &row, &round);
        results.push(Result {
            row,
            round: Some(round),
            change,
        });
    }
    // One bad receiver refuses a whole call at some vendors: each is told its own reason.
    results.extend(alone(state, refused).await);
    results
}

async fn call(client: &dyn MessageProvider, rows: &[Opened]) -> Vec<SendOutcome> {
    let messages: Vec<Outgoing<'_>> = rows
        .iter()
        .map(|(row, content)| Outgoing {
            message_id: row.id,
            channel: deliver::channel_of(row),
            to: &content.to,
            subject: None,
            text: &content.text,
            html: None,
            template: None,
        })
        .collect();
    let unknown = |code| vec![SendOutcome::Unknown { code }; rows.len()];
    match tokio::time::timeout(LIMITS.per_provider, client.send_bulk(&messages)).await {
        Ok(outcomes) if outcomes.len() == rows.len() => outcomes,
        Ok(_) => unknown("unreadable"),
        Err(_) => unknown("timeout"),
    }
}

async fn alone(state: &AppState, rows: Vec<Opened>) -> Vec<Result> {
    let sent = rows
        .into_iter()
        .map(|(row, content)| send_one(state, row, content));
    let results = futures_util::future::join_all(sent).await;
    results.into_iter().flatten().collect()
}
