//! `/api/v1/wallet/`: balance and statement of the caller's own wallet.

use actix_web::{HttpRequest, HttpResponse, web::Data};
use common_types::{Currency, Page};
use service_http::{Allowed, ApiError, OrganizationMember, PageQuery, Query, paginate, text};

use super::dto::{WalletEntry, WalletQuery, WalletResponse};
use crate::{AppState, ledger, ledger::AccountKey, payment::own_organization};

/// Movements shown beside the balance.
const NEWEST: i64 = 10;

pub(super) fn currency(state: &AppState, asked: Option<&str>) -> Result<Currency, ApiError> {
    let Some(asked) = asked else {
        return Ok(state.rules.currency);
    };
    asked
        .parse()
        .ok()
        .filter(|currency| *currency != Currency::Irt)
        .ok_or_else(|| ApiError::invalid().field("currency", text::not_a_choice(asked)))
}

fn key(
    state: &AppState,
    caller: &Allowed<OrganizationMember>,
    query: &WalletQuery,
) -> Result<AccountKey, ApiError> {
    let organization = own_organization(caller)?;
    let currency = currency(state, query.currency.as_deref())?;
    Ok(AccountKey::wallet(organization, caller.sub, currency))
}

/// The caller's wallet in the token's organisation: balance and newest movements.
#[utoipa::path(get, path = "/api/v1/wallet/", params(("currency" = Option<String>, Query)), responses((status = 200, body = WalletResponse)))]
pub(crate) async fn show_wallet(
    state: Data<AppState>,
    caller: Allowed<OrganizationMember>,
    wallet: Query<WalletQuery>,
) -> Result<HttpResponse, ApiError> {
    let key = key(&state, &caller, &wallet)?;
    let mut conn = state.stack.db.get().await?;
    let account = ledger::find_account(&mut conn, &key).await?;
    let entries = match &account {
        Some(account) => ledger::list_entries(&mut conn, account, (0, NEWEST)).await?,
        None => Vec::new(),
    };
    Ok(HttpResponse::Ok().json(WalletResponse {
        organization_id: key.organization_id,
        balance: account.map_or(0, |account| account.balance),
        currency: key.currency.code(),
        entries: entries.into_iter().map(WalletEntry::from).collect(),
    }))
}

/// The statement of the caller's wallet, newest first.
#[utoipa::path(get, path = "/api/v1/wallet/entries/",
    params(("currency" = Option<String>, Query), ("page" = Option<i64>, Query), ("page_size" = Option<i64>, Query)),
    responses((status = 200, body = Page<WalletEntry>), (status = 404, description = "No such page")))]
pub(crate) async fn list_wallet_entries(
    state: Data<AppState>,
    caller: Allowed<OrganizationMember>,
    query: Query<PageQuery>,
    wallet: Query<WalletQuery>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let key = key(&state, &caller, &wallet)?;
    let mut conn = state.stack.db.get().await?;
    let (total, rows) = match ledger::find_account(&mut conn, &key).await? {
        Some(account) => {
            let range = (query.offset(), query.limit());
            let entries = ledger::list_entries(&mut conn, &account, range).await?;
            (account.lines, entries)
        }
        None => (0, Vec::new()),
    };
    let entries: Vec<WalletEntry> = rows.into_iter().map(WalletEntry::from).collect();
    Ok(HttpResponse::Ok().json(paginate(&request, &query, total, entries)?))
}
