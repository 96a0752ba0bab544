//! `/api/v1/ledger/**`: the books, for those who handle the clinic's money.

use std::collections::BTreeMap;

use actix_web::{HttpRequest, HttpResponse, web::Data};
use chrono::{Days, TimeDelta};
use common_types::Page;
use service_http::{Allowed, ApiError, MoneyStaff, PageQuery, Query, Text, paginate};

use super::{
    AccountClass,
    books::{self, AccountFilter, StatementOf, end_of, start_of},
    dto::{
        AccountResponse, AccountsQuery, StatementLine, StatementQuery, StatementResponse,
        TrialBalance, TrialBalanceResponse, TrialLine, TrialQuery,
    },
};
use crate::{AppState, payment::own_organization};

/// The organisation's accounts with their balances; wallets only when asked for.
#[utoipa::path(get, path = "/api/v1/ledger/accounts/",
    params(("search" = Option<String>, Query, description = "Part of the code"), ("currency" = Option<String>, Query),
        ("wallets" = Option<bool>, Query), ("page" = Option<i64>, Query), ("page_size" = Option<i64>, Query)),
    responses((status = 200, body = Page<AccountResponse>), (status = 403, description = "Not an accountant or admin")))]
pub(crate) async fn list_ledger_accounts(
    state: Data<AppState>,
    caller: Allowed<MoneyStaff>,
    page: Query<PageQuery>,
    query: Query<AccountsQuery>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let organization = own_organization(&caller)?;
    let filter = AccountFilter {
        search: page.search().map(str::to_owned),
        currency: query.currency.clone(),
        wallets: query.wallets,
    };
    let mut conn = state.stack.db.get().await?;
    let range = (page.offset(), page.limit());
    let (total, rows) = books::list_accounts(&mut conn, organization, &filter, range).await?;
    let rows: Vec<AccountResponse> = rows.into_iter().map(AccountResponse::from).collect();
    Ok(HttpResponse::Ok().json(paginate(&request, &page, total, rows)?))
}

/// The trial balance at the end of a day (today when none is named): debits equal credits.
#[utoipa::path(get, path = "/api/v1/ledger/trial-balance/", params(("day" = Option<String>, Query, description = "YYYY-MM-DD, UTC")),
    responses((status = 200, body = TrialBalanceResponse)))]
pub(crate) async fn show_trial_balance(
    state: Data<AppState>,
    caller: Allowed<MoneyStaff>,
    query: Query<TrialQuery>,
) -> Result<HttpResponse, ApiError> {
    let organization = own_organization(&caller)?;
    let day = query.day.unwrap_or_else(|| state.now().date_naive());
    let mut conn = state.stack.db.get().await?;
    let accounts = books::trial_balance(&mut conn, organization, end_of(day)).await?;
    let mut currencies = BTreeMap::<String, TrialBalance>::new();
    for account in accounts {
        let currency = account.currency.clone();
        let trial = currencies
            .entry(currency.clone())
            .or_insert_with(|| TrialBalance {
                currency,
                accounts: Vec::new(),
                total_debit: 0,
                total_credit: 0,
                balanced: true,
            });
        let line = TrialLine {
            class: AccountClass::of(&account.code).as_str(),
            code: account.code,
            debit: account.balance.min(0).saturating_neg(),
            credit: account.balance.max(0),
        };
        trial.total_debit = trial.total_debit.saturating_add(line.debit);
        trial.total_credit = trial.total_credit.saturating_add(line.credit);
        trial.balanced = trial.total_debit == trial.total_credit;
        trial.accounts.push(line);
    }
    let currencies = currencies.into_values().collect();
    Ok(HttpResponse::Ok().json(TrialBalanceResponse { day, currencies }))
}

/// An account's statement with running balance, oldest first; the last 30 days unless told.
#[utoipa::path(get, path = "/api/v1/ledger/statement/",
    params(("account" = String, Query, description = "The account's code"), ("currency" = String, Query),
        ("owner_id" = Option<Uuid>, Query, description = "Whose wallet"), ("from" = Option<String>, Query, description = "First day, UTC"),
        ("to" = Option<String>, Query, description = "Last day, UTC"), ("page" = Option<i64>, Query), ("page_size" = Option<i64>, Query)),
    responses((status = 200, body = StatementResponse), (status = 400, description = "More than 366 days")))]
pub(crate) async fn show_statement(
    state: Data<AppState>,
    caller: Allowed<MoneyStaff>,
    page: Query<PageQuery>,
    query: Query<StatementQuery>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let organization_id = own_organization(&caller)?;
    let to = query.to.unwrap_or_else(|| state.now().date_naive());
    let from = match query.from {
        Some(from) => from,
        None => to.checked_sub_days(Days::new(30)).unwrap_or(to),
    };
    if from > to || to - from > TimeDelta::days(books::MAX_DAYS) {
        return Err(ApiError::invalid().field(
            "from",
            Text::i18n(
                "بازه باید حداکثر ۳۶۶ روز باشد.",
                "La période est de 366 jours au plus.",
                "The period is at most 366 days.",
            ),
        ));
    }
    let of = StatementOf {
        organization_id,
        code: &query.account,
        owner_id: query.owner_id,
        currency: &query.currency,
        from: start_of(from),
        to: end_of(to),
    };
    let mut conn = state.stack.db.get().await?;
    let period = books::period(&mut conn, &of).await?;
    let range = (page.offset(), page.limit());
    let lines = books::statement(&mut conn, &of, period.opening, range).await?;
    let lines: Vec<StatementLine> = lines.into_iter().map(StatementLine::from).collect();
    let page: Page<StatementLine> = paginate(&request, &page, period.lines, lines)?;
    Ok(HttpResponse::Ok().json(StatementResponse {
        code: query.account.clone(),
        currency: query.currency.clone(),
        from,
        to,
        opening_balance: period.opening,
        closing_balance: period.closing,
        count: page.count,
        next: page.next,
        previous: page.previous,
        results: page.results,
    }))
}
