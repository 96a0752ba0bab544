//! Correcting a recorded payment: the row shows the newest version, the ledger reverses the old
//! booking and books the new one (decision 18), and the invoice's state follows.

use chrono::{DateTime, Utc};
use common_types::events::portal::PaymentAmended;
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::{Value, json};
use service_events::outbox;
use service_http::ApiError;
use uuid::Uuid;

use super::{
    dto::{METHODS, PaymentResponse, respond_many},
    error::PaymentError,
    store::{self, PaymentRow},
};
use crate::{
    clinic::{self, Clinic},
    invoice::{self, InvoiceRow},
    schema::recorded_payments,
    state::{AppState, SERVICE},
    web::{Act, Form, Who, money_text},
};

/// What is corrected; everything else stays.
#[derive(Debug, Clone, Default, AsChangeset)]
#[diesel(table_name = recorded_payments)]
struct Correction {
    amount: Option<i64>,
    discount_amount: Option<i64>,
    payment_method: Option<String>,
    payment_date: Option<DateTime<Utc>>,
    reference_number: Option<String>,
    transaction_id: Option<String>,
    phone_number: Option<String>,
    operator_reference: Option<String>,
    notes: Option<String>,
}

impl Correction {
    fn read(body: Value, clinic: &Clinic) -> Result<Self, ApiError> {
        let mut form = Form::new(body)?;
        let methods: Vec<&'static str> = METHODS
            .iter()
            .map(|(name, _)| *name)
            .filter(|name| *name != "online")
            .collect();
        let text = |form: &mut Form, name: &str, most: usize| match form.has(name) {
            true => Some(form.optional_text(name, most).unwrap_or_default()),
            false => None,
        };
        let correction = Self {
            amount: form.optional_money("amount", clinic.currency, 1),
            discount_amount: form.optional_money("discount", clinic.currency, 0),
            payment_method: form
                .has("payment_method")
                .then(|| form.choice("payment_method", &methods, None).to_owned()),
            payment_date: form
                .has("payment_date")
                .then(|| form.datetime("payment_date")),
            reference_number: text(&mut form, "reference_number", 100),
            transaction_id: text(&mut form, "transaction_id", 100),
            phone_number: text(&mut form, "phone_number", 20),
            operator_reference: text(&mut form, "operator_reference", 100),
            notes: text(&mut form, "notes", 4_000),
        };
        form.finish()?;
        Ok(correction)
    }
}

/// Corrects a recorded payment of the organisation.
///
/// # Errors
/// [`PaymentError::NotFound`], [`PaymentError::Online`], [`PaymentError::OverPayment`], or a refusal
/// of the fields.
pub(super) async fn amend(
    state: &AppState,
    organization: Uuid,
    who: &Who,
    number: i64,
    body: Value,
) -> Result<PaymentResponse, PaymentError> {
    let now = state.now();
    let response = state
        .db
        .transaction(async |conn| {
            let clinic = Clinic::of(conn, organization, &state.settings.clinic).await?;
            let correction =
                Correction::read(body.clone(), &clinic).map_err(PaymentError::Refused)?;
            let found = store::find_payment_by_number(conn, organization, number)
                .await?
                .ok_or(PaymentError::NotFound)?;
            if found.online_payment_id.is_some() {
                return Err(PaymentError::Online);
            }
            let bill = invoice::lock_invoice(conn, organization, found.invoice_id)
                .await?
                .ok_or(PaymentError::NotFound)?;
            // Again under the invoice's lock: of two corrections the later one sees the earlier.
            let old = store::find_payment_by_number(conn, organization, number)
                .await?
                .ok_or(PaymentError::NotFound)?;
            check(conn, &old, &bill, &correction).await?;
            let row: PaymentRow = diesel::update(recorded_payments::table.find(old.id))
                .set((
                    &correction,
                    recorded_payments::version.eq(recorded_payments::version + 1),
                    recorded_payments::updated_at.eq(now),
                ))
                .returning(PaymentRow::as_returning())
                .get_result(conn)
                .await?;
            let act = Act::on("recorded_payment.amended", "invoice", &[bill.id])
                .with(json!({ "recorded_payment_id": row.id, "previous_amount": old.amount }));
            who.record(conn, act, now).await?;
            if row.status == "completed" {
                let event = amended(&old, &row, &bill, who.user().unwrap_or_default(), now);
                outbox::emit(conn, SERVICE, &event, now).await?;
                invoice::reevaluate(conn, state, bill, who, now).await?;
            }
            respond_many(conn, organization, &clinic, std::slice::from_ref(&row), now)
                .await?
                .pop()
                .ok_or(PaymentError::NotFound)
        })
        .await?;
    state.outbox.wake();
    Ok(response)
}

/// A correction may not take more than the invoice still asks for, nor give a larger discount than
/// the amount.
async fn check(
    conn: &mut AsyncPgConnection,
    old: &PaymentRow,
    bill: &InvoiceRow,
    correction: &Correction,
) -> Result<(), PaymentError> {
    let amount = correction.amount.unwrap_or(old.amount);
    if correction.discount_amount.unwrap_or(old.discount_amount) > amount {
        return Err(PaymentError::DiscountAboveAmount);
    }
    if old.status != "completed" || amount <= old.amount {
        return Ok(());
    }
    let sums = invoice::totals(conn, old.organization_id, &[bill.id])
        .await?
        .remove(&bill.id)
        .unwrap_or_default();
    let room = sums.remaining(bill.total_amount) + old.amount;
    if amount > room {
        let currency = clinic::currency(&bill.currency);
        return Err(PaymentError::OverPayment {
            amount: money_text(currency, amount),
            remaining: money_text(currency, room),
            currency: clinic::currency_label(currency),
        });
    }
    Ok(())
}

fn amended(
    old: &PaymentRow,
    new: &PaymentRow,
    bill: &InvoiceRow,
    by: Uuid,
    now: DateTime<Utc>,
) -> PaymentAmended {
    PaymentAmended {
        recorded_payment_id: new.id,
        aggregate_version: new.version,
        organization_id: new.organization_id,
        invoice_id: bill.id,
        patient_id: bill.patient_id,
        previous_amount: old.amount,
        amount: new.amount,
        currency: clinic::currency(&bill.currency),
        method: new.payment_method.clone(),
        amended_by: by,
        amended_at: now,
    }
}
