//! `/api/v1/payments/`: invoices paid online. These routes are ours, so the key is required.

use actix_web::{HttpRequest, HttpResponse, web::Data};
use common_types::{AccessClaims, Page, internal::portal::PayableInvoice, ordering};
use serde_json::json;
use service_auth::InternalError;
use service_http::{
    Allowed, ApiError, ClientIp, ClinicStaff, JsonBytes, MoneyStaff, PageQuery, Path, Permission,
    Query, Text,
    idempotency::{Key, Stored, body_hash},
    paginate,
};
use uuid::Uuid;

use super::{limit_starts, own_organization, to_the_end};
use crate::{
    AppState,
    ledger::books::{end_of, start_of},
    payment::{
        Payment, PaymentError, Purpose, StartPayment,
        dto::{CreatePaymentRequest, PaymentResponse, PaymentsQuery},
        find_payment,
        start::{self, Origin, Request, earlier_answer},
        store::{self, ORDERINGS, PaymentFilter, Whose},
    },
};

/// Statuses of an invoice that leave nothing to pay.
const CLOSED: [&str; 4] = ["paid", "cancelled", "refunded", "void"];

/// Starts the online payment of an invoice.
#[utoipa::path(post, path = "/api/v1/payments/", request_body = CreatePaymentRequest,
    params(("Idempotency-Key" = String, Header, description = "1 to 255 ASCII characters")),
    responses((status = 201, body = PaymentResponse), (status = 400, description = "Invalid, or no Idempotency-Key"),
        (status = 404, description = "Unknown invoice"), (status = 409, description = "Not payable, or still running"),
        (status = 422, description = "The key was used with another body")))]
pub(crate) async fn create_payment(
    state: Data<AppState>,
    caller: Allowed<ClinicStaff>,
    ip: ClientIp,
    key: Key,
    body: JsonBytes<CreatePaymentRequest>,
) -> Result<HttpResponse, ApiError> {
    let organization_id = own_organization(&caller)?;
    let asked = body.value;
    if asked.purpose != Purpose::Invoice.as_str() {
        return Err(ApiError::invalid().field(
            "purpose",
            Text::i18n(
                "باید invoice باشد.",
                "Doit être invoice.",
                "Must be invoice.",
            ),
        ));
    }
    if asked
        .return_url
        .as_deref()
        .is_some_and(|url| !state.may_return_to(url))
    {
        return Err(PaymentError::BadReturnUrl.into());
    }
    let request = Request {
        subject: caller.sub.to_string(),
        route: "/api/v1/payments/",
        key: key.0,
        body_hash: body_hash(&body.bytes),
    };
    let origin = Origin::here(ip.0);
    let (state, payer) = (state.get_ref().clone(), caller.sub);
    let started = to_the_end(async move {
        if let Some(stored) = earlier_answer(&state, &request).await? {
            return Ok(stored);
        }
        limit_starts(&state, payer).await.map_err(Refused::Api)?;
        let invoice = payable(&state, organization_id, asked.invoice_id).await?;
        let order = StartPayment {
            organization_id,
            payer_id: Some(payer),
            purpose: Purpose::Invoice,
            price: part(&invoice, asked.amount)?,
            invoice_id: Some(invoice.invoice_id),
            soapify_user_id: None,
            // The provider shows the number, not whose invoice it is.
            description: invoice.invoice_number,
            return_url: asked.return_url,
            origin,
            request: Some(request),
        };
        Ok::<Stored, Refused>(start::start(state, order, render).await?)
    });
    match started.await {
        Ok(stored) => Ok(stored.into_response()),
        Err(Refused::Api(error)) => Err(error),
        Err(Refused::Payment(error)) => Err(error.into()),
    }
}

/// A payment: the caller's own, or any of the organisation for those who handle its money.
#[utoipa::path(get, path = "/api/v1/payments/{id}/", params(("id" = Uuid, Path)),
    responses((status = 200, body = PaymentResponse), (status = 404, description = "Not within reach")))]
pub(crate) async fn show_payment(
    state: Data<AppState>,
    caller: Allowed<ClinicStaff>,
    id: Path<Uuid>,
) -> Result<HttpResponse, ApiError> {
    let organization = own_organization(&caller)?;
    let payment = within_reach(&state, &caller, organization, *id).await?;
    Ok(HttpResponse::Ok().json(PaymentResponse::from(&payment)))
}

/// The caller's own payment, an invoice's, or any of the organisation for those who handle its money.
pub(super) async fn within_reach(
    state: &AppState,
    caller: &AccessClaims,
    organization: Uuid,
    id: Uuid,
) -> Result<Payment, PaymentError> {
    let mut conn = state.stack.db.get().await?;
    let payment = find_payment(&mut conn, id).await?.filter(|payment| {
        payment.organization_id == organization
            && (MoneyStaff::allows(caller)
                || payment.payer_id == Some(caller.sub)
                || payment.purpose == Purpose::Invoice)
    });
    payment.ok_or(PaymentError::NotFound)
}

/// The caller's payments, or all of the organisation for those who handle its money; newest first.
#[utoipa::path(get, path = "/api/v1/payments/",
    params(("status" = Option<String>, Query), ("purpose" = Option<String>, Query), ("provider" = Option<String>, Query),
        ("currency" = Option<String>, Query), ("invoice_id" = Option<Uuid>, Query), ("payer_id" = Option<Uuid>, Query),
        ("from" = Option<String>, Query, description = "First day, UTC"), ("to" = Option<String>, Query, description = "Last day, UTC"),
        ("min_amount" = Option<i64>, Query), ("max_amount" = Option<i64>, Query),
        ("search" = Option<String>, Query, description = "Id, provider's number, tracking number or words"),
        ("ordering" = Option<String>, Query, description = "created_at, amount, completed_at; - before it for descending"),
        ("page" = Option<i64>, Query), ("page_size" = Option<i64>, Query)),
    responses((status = 200, body = Page<PaymentResponse>)))]
pub(crate) async fn list_payments(
    state: Data<AppState>,
    caller: Allowed<ClinicStaff>,
    page: Query<PageQuery>,
    query: Query<PaymentsQuery>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let organization = own_organization(&caller)?;
    let whose = match MoneyStaff::allows(&caller) {
        true => Whose::Organization(organization),
        false => Whose::Payer(organization, caller.sub),
    };
    let filter = PaymentFilter {
        status: query.status.clone(),
        purpose: query.purpose.clone(),
        provider: query.provider.clone(),
        currency: query.currency.clone(),
        invoice_id: query.invoice_id,
        payer_id: query.payer_id,
        from: query.from.map(start_of),
        to: query.to.map(end_of),
        min_amount: query.min_amount,
        max_amount: query.max_amount,
        search: page.search().map(str::to_owned),
        ordering: ordering::parse(page.ordering.as_deref().unwrap_or_default(), &ORDERINGS),
    };
    let mut conn = state.stack.db.get().await?;
    let range = (page.offset(), page.limit());
    let (total, rows) = store::list_payments(&mut conn, whose, &filter, range).await?;
    let payments: Vec<PaymentResponse> = rows.iter().map(PaymentResponse::from).collect();
    Ok(HttpResponse::Ok().json(paginate(&request, &page, total, payments)?))
}

/// Either kind of no, on its way out of the detached work.
enum Refused {
    Api(ApiError),
    Payment(PaymentError),
}

impl From<PaymentError> for Refused {
    fn from(error: PaymentError) -> Self {
        Self::Payment(error)
    }
}

impl From<anyhow::Error> for Refused {
    fn from(error: anyhow::Error) -> Self {
        Self::Payment(error.into())
    }
}

/// The asked part of what is due, or all of it: never more.
pub(crate) fn part(
    invoice: &PayableInvoice,
    amount: Option<i64>,
) -> Result<common_types::Money, PaymentError> {
    let due = common_types::Money::new(invoice.amount, invoice.currency)
        .normalized()
        .map_err(|_| PaymentError::BadAmount)?;
    match amount {
        None => Ok(due),
        Some(amount) if amount <= 0 => Err(PaymentError::BadAmount),
        Some(amount) if amount > due.amount => Err(PaymentError::AboveDue),
        Some(amount) => Ok(common_types::Money::new(amount, due.currency)),
    }
}

fn render(payment: &Payment) -> serde_json::Value {
    json!(PaymentResponse::from(payment))
}

/// The invoice as portal, its owner, knows it now.
pub(crate) async fn payable(
    state: &AppState,
    organization: Uuid,
    invoice: Uuid,
) -> Result<PayableInvoice, PaymentError> {
    let path = format!("/internal/invoices/{invoice}/payable/");
    let answer: Result<PayableInvoice, InternalError> = state.portal.get_json(&path).await;
    let invoice = answer.map_err(|error| match error.status() {
        Some(404) => PaymentError::UnknownInvoice,
        Some(409 | 422) => PaymentError::NotPayable("closed".to_owned()),
        _ => PaymentError::Unanswered(format!("portal: {error}")),
    })?;
    if invoice.organization_id != organization {
        return Err(PaymentError::UnknownInvoice);
    }
    if invoice.amount <= 0 || CLOSED.contains(&invoice.status.as_str()) {
        return Err(PaymentError::NotPayable(invoice.status));
    }
    Ok(invoice)
}
