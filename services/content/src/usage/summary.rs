//! `GET /api/ai/usage/summary/` (wire.md 6.2).

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::{model::DOLLAR, store::ModelUse};

/// Answer of `GET /api/ai/usage/summary/`.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct UsageSummaryResponse {
    /// `monthly`, `weekly`, `daily` or `all`.
    pub(crate) period: String,
    /// Null for `all`.
    pub(crate) start_date: Option<DateTime<Utc>>,
    pub(crate) end_date: DateTime<Utc>,
    pub(crate) summary: UsageSummary,
}

/// The sums.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub(crate) struct UsageSummary {
    pub(crate) total_requests: i64,
    pub(crate) total_prompt_tokens: i64,
    pub(crate) total_completion_tokens: i64,
    pub(crate) total_tokens: i64,
    /// US dollars.
    pub(crate) total_cost: f64,
    pub(crate) model_breakdown: BTreeMap<String, ModelSummary>,
}

/// The sums of one model.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct ModelSummary {
    pub(crate) requests: i64,
    pub(crate) tokens: i64,
    /// US dollars.
    pub(crate) cost: f64,
}

impl UsageSummary {
    /// The sums over `rows`.
    pub(crate) fn of(rows: Vec<ModelUse>) -> Self {
        let mut summary = Self::default();
        let mut micros = 0;
        for row in rows {
            summary.total_requests += row.requests;
            summary.total_prompt_tokens += row.prompt_tokens;
            summary.total_completion_tokens += row.completion_tokens;
            summary.total_tokens += row.total_tokens;
            micros += row.cost_micros;
            let model = ModelSummary {
                requests: row.requests,
                tokens: row.total_tokens,
                cost: in_dollars(row.cost_micros),
            };
            summary.model_breakdown.insert(row.model, model);
        }
        summary.total_cost = in_dollars(micros);
        summary
    }
}

/// The contract wants a JSON number here; money is only shown as one, never counted as one.
#[allow(clippy::cast_precision_loss)]
fn in_dollars(micros: i64) -> f64 {
    micros as f64 / DOLLAR as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_go_over_models() {
        let row = |model: &str, cost_micros| ModelUse {
            model: model.into(),
            requests: 2,
            prompt_tokens: 10,
            completion_tokens: 5,
            total_tokens: 15,
            cost_micros,
        };
        let summary = UsageSummary::of(vec![row("a", 100_000), row("b", 200_000)]);
        assert_eq!((summary.total_requests, summary.total_tokens), (4, 30));
        assert!((summary.total_cost - 0.3).abs() < f64::EPSILON);
        assert_eq!(summary.model_breakdown["b"].tokens, 15);
    }
}
