//! The whole HTTP map on one screen. Fixed words come before `{id}`.

use actix_web::web::{self, ServiceConfig};
use common_types::Language;
use service_http::RouteLanguage;
use utoipa::OpenApi;

use crate::{
    access, exam, invoice, patient, payment, report, session, state::AppState, stats, summary,
};

pub(crate) fn configure(config: &mut ServiceConfig, state: AppState) {
    config
        .app_data(web::Data::new(state))
        // CIMEF's tree speaks French unless the caller asks otherwise.
        .app_data(RouteLanguage(Language::Fr))
        // the patient
        .service(session::http::login_patient)
        .service(session::http::logout_patient)
        .service(session::http::get_profile)
        .service(summary::http::list_summary_accesses)
        .service(report::patient_http::list_own_reports)
        .service(report::patient_http::download_report)
        .service(report::patient_http::patient_download_report)
        // keys
        .service(access::http::generate_access)
        .service(access::http::list_accesses)
        .service(access::http::get_access)
        .service(access::http::update_access)
        // patients
        .service(patient::http::list_patients)
        .service(patient::http::create_patient)
        .service(patient::http::get_patient)
        .service(patient::http::update_patient)
        .service(patient::http::patch_patient)
        .service(patient::http::delete_patient)
        // exams
        .service(exam::http::list_exam_types)
        .service(exam::http::create_exam_type)
        .service(exam::http::get_exam_type)
        .service(exam::http::update_exam_type)
        .service(exam::http::delete_exam_type)
        .service(exam::http::list_examinations)
        .service(exam::http::create_examination)
        .service(exam::http::patch_examination)
        // invoices
        .service(invoice::http::list_invoices)
        .service(invoice::http::create_invoice)
        .service(invoice::http::get_invoice)
        .service(invoice::http::patch_invoice)
        .service(invoice::http::update_invoice)
        .service(invoice::http::delete_invoice)
        .service(invoice::http::download_invoice_pdf)
        .service(invoice::http::get_invoice_pdf)
        // payments recorded on invoices
        .service(payment::http::list_payments)
        .service(payment::http::create_payment)
        .service(payment::http::list_payments_by_invoice)
        .service(payment::summary::payment_summary)
        .service(payment::http::get_payment)
        .service(payment::http::patch_payment)
        .service(payment::http::delete_payment)
        .service(payment::http::get_receipt)
        // reports
        .service(report::http::list_reports)
        .service(report::http::upload_report)
        .service(report::http::report_stats)
        .service(report::http::validate_keys)
        .service(report::http::toggle_report)
        .service(report::http::validate_report)
        .service(report::http::delete_report)
        .service(report::http::open_report)
        // counters
        .service(stats::admin_stats)
        // machines
        .service(session::http::get_jwks)
        .service(session::http::list_revocations)
        .service(invoice::internal::payable_invoice)
        .service(invoice::states::list_invoice_states);
}

/// The API document.
pub(crate) fn openapi() -> utoipa::openapi::OpenApi {
    #[derive(OpenApi)]
    #[openapi(
        info(
            title = "Tabib portal",
            description = "Patients, exams, invoices, keys and reports."
        ),
        paths(
            session::http::login_patient,
            session::http::logout_patient,
            session::http::get_profile,
            session::http::get_jwks,
            session::http::list_revocations,
            summary::http::list_summary_accesses,
            report::patient_http::list_own_reports,
            report::patient_http::download_report,
            report::patient_http::patient_download_report,
            access::http::generate_access,
            access::http::list_accesses,
            access::http::get_access,
            access::http::update_access,
            patient::http::list_patients,
            patient::http::create_patient,
            patient::http::get_patient,
            patient::http::update_patient,
            patient::http::patch_patient,
            patient::http::delete_patient,
            exam::http::list_exam_types,
            exam::http::create_exam_type,
            exam::http::get_exam_type,
            exam::http::update_exam_type,
            exam::http::delete_exam_type,
            exam::http::list_examinations,
            exam::http::create_examination,
            exam::http::patch_examination,
            invoice::http::list_invoices,
            invoice::http::create_invoice,
            invoice::http::get_invoice,
            invoice::http::patch_invoice,
            invoice::http::update_invoice,
            invoice::http::delete_invoice,
            invoice::http::download_invoice_pdf,
            invoice::http::get_invoice_pdf,
            invoice::internal::payable_invoice,
            invoice::states::list_invoice_states,
            payment::http::list_payments,
            payment::http::create_payment,
            payment::http::list_payments_by_invoice,
            payment::summary::payment_summary,
            payment::http::get_payment,
            payment::http::patch_payment,
            payment::http::delete_payment,
            payment::http::get_receipt,
            report::http::list_reports,
            report::http::upload_report,
            report::http::report_stats,
            report::http::validate_keys,
            report::http::toggle_report,
            report::http::validate_report,
            report::http::delete_report,
            report::http::open_report,
            stats::admin_stats,
        )
    )]
    struct Document;
    Document::openapi()
}
