//! Sample data: the demo clinic's profile and its exam types. Patients and invoices are made by people, through the API.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use serde_json::json;
use uuid::{Uuid, uuid};

use crate::{
    clinic::ClinicRow,
    schema::{clinic_profiles, exam_types},
    state::AppState,
};

/// The demo organisation, the same in every service's sample data.
const DEMO: Uuid = uuid!("01900000-0000-7000-8000-000000000001");

const EXAMS: [(&str, &str, i64, i32); 5] = [
    ("Consultation générale", "معاینهٔ عمومی", 1_500_000, 20),
    ("Analyse de sang (NFS)", "آزمایش خون CBC", 850_000, 10),
    ("Échographie abdominale", "سونوگرافی شکم", 3_200_000, 30),
    ("Radiographie du thorax", "عکس قفسهٔ سینه", 2_400_000, 15),
    ("Électrocardiogramme", "نوار قلب", 1_200_000, 15),
];

pub(crate) async fn run(state: &AppState, name: &str) -> anyhow::Result<()> {
    anyhow::ensure!(name == "demo", "portal has no seed named {name:?}");
    let now = state.now();
    let mut conn = state.db.get().await?;
    let profile = ClinicRow {
        organization_id: DEMO,
        name: "درمانگاه طبیب".into(),
        address: "تهران، خیابان ولیعصر، پلاک ۱۲".into(),
        phone: "021-88880000".into(),
        email: "clinic@tabib.example".into(),
        registrations: json!([["National ID", "14001234567"]]),
        currency: "IRR".into(),
        language: "fa".into(),
        utc_offset_minutes: 210,
        updated_at: now,
    };
    diesel::insert_into(clinic_profiles::table)
        .values(&profile)
        .on_conflict(clinic_profiles::organization_id)
        .do_nothing()
        .execute(&mut conn)
        .await?;
    for (name, description, price, minutes) in EXAMS {
        diesel::insert_into(exam_types::table)
            .values((
                exam_types::id.eq(Uuid::now_v7()),
                exam_types::organization_id.eq(DEMO),
                exam_types::name.eq(name),
                exam_types::description.eq(description),
                exam_types::price_amount.eq(price),
                exam_types::duration_minutes.eq(minutes),
                exam_types::created_at.eq(now),
                exam_types::updated_at.eq(now),
            ))
            .on_conflict((exam_types::organization_id, exam_types::name))
            .do_nothing()
            .execute(&mut conn)
            .await?;
    }
    Ok(())
}
