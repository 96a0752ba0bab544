//! `/api/v1/payments/`: invoices paid online. These routes are ours, so the key is required.

use actix_web::{HttpRequest, HttpResponse, web::Data};
use common_types::{Page, internal::portal::PayableInvoice};
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
    payment::{
        Payment, PaymentError, Purpose, StartPayment,
        dto::{CreatePaymentRequest, PaymentResponse},
        find_payment,
        start::{self, Origin, Request, earlier_answer},
        store::{self, Whose},
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
            price: common_types::Money::new(invoice.amount, invoice.currency)
                .normalized()
                .map_err(|_| PaymentError::BadAmount)?,
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
    let mut conn = state.stack.db.get().await?;
    let payment = find_payment(&mut conn, *id).await?.filter(|payment| {
        payment.organization_id == organization
            && (MoneyStaff::allows(&caller)
                || payment.payer_id == Some(caller.sub)
                || payment.purpose == Purpose::Invoice)
    });
    let payment = payment.ok_or(PaymentError::NotFound)?;
    Ok(HttpResponse::Ok().json(PaymentResponse::from(&payment)))
}

/// The caller's payments, or all of the organisation for those who handle its money; newest first.
#[utoipa::path(get, path = "/api/v1/payments/",
    params(("page" = Option<i64>, Query), ("page_size" = Option<i64>, Query)),
    responses((status = 200, body = Page<PaymentResponse>)))]
pub(crate) async fn list_payments(
    state: Data<AppState>,
    caller: Allowed<ClinicStaff>,
    query: Query<PageQuery>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let organization = own_organization(&caller)?;
    let whose = match MoneyStaff::allows(&caller) {
        true => Whose::Organization(organization),
        false => Whose::Payer(organization, caller.sub),
    };
    let mut conn = state.stack.db.get().await?;
    let (total, rows) =
        store::list_payments(&mut conn, whose, (query.offset(), query.limit())).await?;
    let payments: Vec<PaymentResponse> = rows.iter().map(PaymentResponse::from).collect();
    Ok(HttpResponse::Ok().json(paginate(&request, &query, total, payments)?))
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

fn render(payment: &Payment) -> serde_json::Value {
    json!(PaymentResponse::from(payment))
}

/// The invoice as portal, its owner, knows it now.
async fn payable(
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
