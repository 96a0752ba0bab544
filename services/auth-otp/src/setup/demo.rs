//! The sample clinic: one organisation, its staff, one patient, one workspace, one partner key.

use chrono::{DateTime, Utc};
use common_types::{ClinicRole, ContentRole, Language};
use diesel_async::AsyncPgConnection;
use uuid::Uuid;

use crate::member::service::{Roles, join};
use crate::member::store as members;
use crate::organization::store::{self as organizations, NewOrganization};
use crate::state::AppState;
use crate::user::model::split_name;
use crate::user::staff::store as staff_store;
use crate::user::{service as users, store as user_store};
use crate::workspace::store::{self as workspaces, NewWorkspace};
use crate::{api_key, organization, workspace};

/// The sample organisation, to which other services' samples refer.
pub const ORGANIZATION: Uuid = Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001);
/// The sample workspace.
pub const WORKSPACE: Uuid = Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0201);
/// What the sample partner may do.
const SOAPIFY_SCOPES: [&str; 1] = ["soapify.read"];

struct Person {
    /// The last four digits of the id.
    suffix: u128,
    username: Option<&'static str>,
    name: &'static str,
    clinic_role: Option<ClinicRole>,
    content_role: Option<ContentRole>,
    superuser: bool,
}

const fn staff(suffix: u128, username: &'static str, name: &'static str) -> Person {
    Person {
        suffix,
        username: Some(username),
        name,
        clinic_role: None,
        content_role: None,
        superuser: false,
    }
}

fn people() -> [Person; 7] {
    [
        Person {
            clinic_role: Some(ClinicRole::Admin),
            content_role: Some(ContentRole::Admin),
            superuser: true,
            ..staff(0x0101, "modir", "نسرین مدیری")
        },
        Person {
            clinic_role: Some(ClinicRole::Doctor),
            ..staff(0x0102, "doctor", "دکتر مریم رضایی")
        },
        Person {
            clinic_role: Some(ClinicRole::Secretary),
            ..staff(0x0103, "monshi", "سارا کریمی")
        },
        Person {
            clinic_role: Some(ClinicRole::Accountant),
            ..staff(0x0104, "hesabdar", "امیر حسابی")
        },
        Person {
            content_role: Some(ContentRole::Writer),
            ..staff(0x0105, "nevisande", "نگار نویسنده")
        },
        Person {
            content_role: Some(ContentRole::Editor),
            ..staff(0x0106, "virastar", "بهرام ویراستار")
        },
        Person {
            username: None,
            ..staff(0x0110, "", "علی محمدی")
        },
    ]
}

fn id_of(suffix: u128) -> Uuid {
    Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 | suffix)
}

/// The staff are 09120000000 to 09120000005 in the order of their ids, the patient is 09120000010.
fn phone_of(suffix: u128) -> String {
    const FIRST_STAFF: u128 = 0x0101;
    const PATIENT: u128 = 0x0110;
    let last = if suffix == PATIENT {
        10
    } else {
        suffix - FIRST_STAFF
    };
    format!("+98912000{last:04}")
}

/// Puts the sample in; what is there already stays as it is.
pub(super) async fn seed(state: &AppState) -> anyhow::Result<()> {
    let now = state.now();
    let password_hash = match &state.settings.demo.staff_password {
        Some(password) => Some(state.hasher.hash(password.expose()).await?),
        None => None,
    };
    let partner_key = state.settings.demo.soapify_api_key.clone();
    state
        .stack
        .db
        .transaction(async |conn: &mut AsyncPgConnection| -> anyhow::Result<()> {
            clinic(conn, now).await?;
            for person in people() {
                add(conn, &person, password_hash.as_deref(), now).await?;
            }
            studio(conn, now).await?;
            if let Some(key) = &partner_key {
                api_key::ensure(conn, key.expose(), "SOAPify", &SOAPIFY_SCOPES, None, now).await?;
            }
            Ok(())
        })
        .await?;
    state.stack.outbox.wake();
    tracing::info!(organization = %ORGANIZATION, "the sample clinic is there");
    Ok(())
}

async fn clinic(conn: &mut AsyncPgConnection, now: DateTime<Utc>) -> anyhow::Result<()> {
    const SLUG: &str = "tabib-demo";
    if organizations::find_organization_by_slug(conn, SLUG)
        .await?
        .is_some()
    {
        return Ok(());
    }
    let new = NewOrganization {
        id: ORGANIZATION,
        name: "درمانگاه نمونه طبیب".to_owned(),
        slug: SLUG.to_owned(),
        description: "درمانگاه نمونه برای آشنایی".to_owned(),
        is_active: true,
        is_personal: false,
        created_at: now,
        updated_at: now,
    };
    let row = organizations::insert_organization(conn, &new).await?;
    organization::service::tell(conn, &row, now).await?;
    Ok(())
}

async fn add(
    conn: &mut AsyncPgConnection,
    person: &Person,
    password_hash: Option<&str>,
    now: DateTime<Utc>,
) -> anyhow::Result<()> {
    let (first_name, last_name) = split_name(person.name);
    let new = user_store::NewUser {
        id: id_of(person.suffix),
        phone: Some(phone_of(person.suffix)),
        username: person.username.map(str::to_owned),
        password_hash: person.username.and(password_hash).map(str::to_owned),
        full_name: person.name.to_owned(),
        first_name,
        last_name,
        language: Language::Fa.as_str().to_owned(),
        is_superuser: person.superuser,
        created_at: now,
        updated_at: now,
    };
    users::register(conn, &new, now).await?;
    let Some(user) = user_store::find_user_by_phone(conn, &phone_of(person.suffix)).await? else {
        return Ok(());
    };
    if person.username.is_some() {
        staff_store::set_manager(conn, user.id, ORGANIZATION).await?;
    }
    let roles = Roles {
        clinic_role: person.clinic_role,
        content_role: person.content_role,
    };
    if roles != Roles::default()
        && members::find_roles(conn, user.id, ORGANIZATION)
            .await?
            .is_none()
    {
        join(conn, ORGANIZATION, user.id, roles, now).await?;
    }
    Ok(())
}

async fn studio(conn: &mut AsyncPgConnection, now: DateTime<Utc>) -> anyhow::Result<()> {
    const SLUG: &str = "salamat";
    if workspaces::find_workspace_by_slug(conn, ORGANIZATION, SLUG)
        .await?
        .is_some()
    {
        return Ok(());
    }
    let new = NewWorkspace {
        id: WORKSPACE,
        organization_id: ORGANIZATION,
        name: "کارگاه محتوای سلامت".to_owned(),
        slug: SLUG.to_owned(),
        description: String::new(),
        is_active: true,
        created_at: now,
        updated_at: now,
    };
    let made = workspace::service::create(conn, &new, now).await;
    made.map(|_| ())
        .map_err(|error| anyhow::anyhow!("workspace: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_phones_follow_the_suffix() {
        assert_eq!(
            id_of(0x0102).to_string(),
            "01900000-0000-7000-8000-000000000102"
        );
        let phones: Vec<String> = people()
            .iter()
            .map(|person| phone_of(person.suffix))
            .collect();
        assert_eq!(
            phones,
            ["00", "01", "02", "03", "04", "05", "10"].map(|end| format!("+9891200000{end}"))
        );
        assert_eq!(
            ORGANIZATION.to_string(),
            "01900000-0000-7000-8000-000000000001"
        );
        for person in people() {
            assert!(common_types::PhoneNumber::parse(&phone_of(person.suffix)).is_ok());
        }
    }
}
