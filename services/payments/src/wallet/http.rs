//! `/api/v1/wallet/`: balance and statement of the caller's own wallet.

use actix_web::{HttpRequest, HttpResponse, web::Data};
use common_types::Page;
use service_http::{Allowed, ApiError, OrganizationMember, PageQuery, Query, paginate};

use super::dto::{WalletEntry, WalletResponse};
use crate::{AppState, ledger, ledger::AccountKey, payment::own_organization};

/// Movements shown beside the balance.
const NEWEST: i64 = 10;

fn key(state: &AppState, caller: &Allowed<OrganizationMember>) -> Result<AccountKey, ApiError> {
    let organization = own_organization(caller)?;
    Ok(AccountKey::wallet(
        organization,
        caller.sub,
        state.rules.currency,
    ))
}

/// The caller's wallet in the token's organisation: balance and newest movements.
#[utoipa::path(get, path = "/api/v1/wallet/", responses((status = 200, body = WalletResponse)))]
pub(crate) async fn show_wallet(
    state: Data<AppState>,
    caller: Allowed<OrganizationMember>,
) -> Result<HttpResponse, ApiError> {
    let key = key(&state, &caller)?;
    let mut conn = state.stack.db.get().await?;
    let account = ledger::find_account(&mut conn, &key).await?;
    let entries = match &account {
        Some(account) => ledger::list_entries(&mut conn, account.id, (0, NEWEST)).await?,
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
    params(("page" = Option<i64>, Query), ("page_size" = Option<i64>, Query)),
    responses((status = 200, body = Page<WalletEntry>), (status = 404, description = "No such page")))]
pub(crate) async fn list_wallet_entries(
    state: Data<AppState>,
    caller: Allowed<OrganizationMember>,
    query: Query<PageQuery>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let key = key(&state, &caller)?;
    let mut conn = state.stack.db.get().await?;
    let (total, rows) = match ledger::find_account(&mut conn, &key).await? {
        Some(account) => {
            let range = (query.offset(), query.limit());
            let total = ledger::count_entries(&mut conn, account.id).await?;
            (
                total,
                ledger::list_entries(&mut conn, account.id, range).await?,
            )
        }
        None => (0, Vec::new()),
    };
    let entries: Vec<WalletEntry> = rows.into_iter().map(WalletEntry::from).collect();
    Ok(HttpResponse::Ok().json(paginate(&request, &query, total, entries)?))
}
