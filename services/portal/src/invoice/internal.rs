//! What payments asks before it starts an online payment.

use actix_web::{HttpRequest, HttpResponse, get, web};
use common_types::internal::portal::PayableInvoice;
use service_http::{ApiError, Path, ServiceCaller};
use uuid::Uuid;

use super::{InvoiceError, settle, store};
use crate::{
    clinic, patient,
    state::AppState,
    web::{Act, Who},
};

/// What is still to be paid on an invoice; services only. `amount` is 0 unless the invoice waits for money.
#[utoipa::path(tag = "internal", params(("id" = Uuid, Path)), responses((status = 200), (status = 404)))]
#[get("/internal/invoices/{id}/payable")]
pub(crate) async fn payable_invoice(
    state: web::Data<AppState>,
    caller: ServiceCaller,
    id: Path<Uuid>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let (id, now) = (*id, state.now());
    let caller = Who::service(&request, &caller.0.sub);
    let payable = state
        .db
        .transaction(async |conn| {
            let row = store::find_invoice_for_service(conn, id)
                .await?
                .ok_or(InvoiceError::NotFound)?;
            let patient =
                patient::get_patient_of_any_state(conn, row.organization_id, row.patient_id)
                    .await?;
            let sums = settle::totals(conn, row.organization_id, &[row.id])
                .await?
                .remove(&row.id)
                .unwrap_or_default();
            let open = matches!(row.status.as_str(), "sent" | "partially_paid");
            let who = caller.clone().of(row.organization_id);
            who.record(conn, Act::on("invoice.read", "invoice", &[row.id]), now)
                .await?;
            Ok::<_, InvoiceError>(PayableInvoice {
                invoice_id: row.id,
                number: row.number,
                invoice_number: row.invoice_number.clone(),
                organization_id: row.organization_id,
                patient_id: row.patient_id,
                patient_name: patient.full_name(),
                amount: if open {
                    sums.remaining(row.total_amount)
                } else {
                    0
                },
                currency: clinic::currency(&row.currency),
                status: row.status,
            })
        })
        .await?;
    Ok(HttpResponse::Ok().json(payable))
}
