//! Copies of people, memberships, organisations and workspaces, and the sample data.

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use common_types::{
    ContentRole, Language, demo,
    events::{
        Event,
        auth::{
            MemberChanged, OrganizationChanged, UserMembership, UserRegistered, UserUpdated,
            WorkspaceChanged,
        },
    },
};
use content::ContentService;
use serde_json::json;
use service_events::outbox;
use service_http::ServiceDefinition as _;
use service_testing::{eventually, unsettled_events};
use uuid::Uuid;

use crate::support::{WORKSPACE, Workshop, number, person};

async fn apply(shop: &Workshop, events: &[&dyn Emit]) {
    let mut conn = shop.service.stack.db.get().await.unwrap();
    for event in events {
        event.emit(&mut conn).await;
    }
    drop(conn);
    shop.service.stack.outbox.wake();
}

/// Events of several kinds in one list.
trait Emit: Sync {
    fn emit<'a>(
        &'a self,
        conn: &'a mut diesel_async::AsyncPgConnection,
    ) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send + 'a>>;
}

impl<E: Event> Emit for E {
    fn emit<'a>(
        &'a self,
        conn: &'a mut diesel_async::AsyncPgConnection,
    ) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(async move {
            outbox::emit(conn, "auth-otp", self, Utc::now())
                .await
                .unwrap();
        })
    }
}

fn workspace(
    shop: &Workshop,
    id: Uuid,
    version: i64,
    name: &str,
    is_deleted: bool,
) -> WorkspaceChanged {
    WorkspaceChanged {
        workspace_id: id,
        number: 77,
        aggregate_version: version,
        organization_id: shop.organization,
        name: name.into(),
        slug: "w".into(),
        is_active: true,
        is_deleted,
        changed_at: Utc::now(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn workspaces_come_by_event_and_only_newer_versions_count() {
    let mut shop = Workshop::open().await;
    shop.service.start_worker();
    let id = Uuid::now_v7();
    let organization = OrganizationChanged {
        organization_id: shop.organization,
        number: 33,
        aggregate_version: 2,
        name: "Clinic".into(),
        slug: "clinic".into(),
        is_active: true,
        changed_at: Utc::now(),
    };
    apply(
        &shop,
        &[
            &organization,
            &workspace(&shop, id, 2, "New", false),
            &workspace(&shop, id, 1, "Old", false),
        ],
    )
    .await;
    eventually(Duration::from_secs(15), async || {
        let settled = unsettled_events(&shop.service.stack.db).await == (0, 0);
        settled
            && shop
                .get(&shop.viewer, "/api/ai/usage/summary/?organization_id=33")
                .await
                .status
                == 200
    })
    .await;
    let body = json!({"name": "n", "slug": "n", "workspace": 77});
    eventually(Duration::from_secs(15), async || {
        shop.get(&shop.viewer, "/api/projects/?workspace=77")
            .await
            .status
            == 200
    })
    .await;
    let project = shop
        .post(&shop.writer, "/api/projects/", body)
        .await
        .created();
    assert_eq!(project["workspace_name"], "New");
    apply(&shop, &[&workspace(&shop, id, 3, "New", true)]).await;
    eventually(Duration::from_secs(15), async || {
        shop.get(&shop.viewer, "/api/projects/?workspace=77")
            .await
            .status
            == 400
    })
    .await;
    shop.get(
        &shop.viewer,
        &format!("/api/projects/{}/", number(&project)),
    )
    .await
    .ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn names_and_roles_come_by_event() {
    let mut shop = Workshop::open().await;
    shop.service.start_worker();
    let newcomer = person(
        &shop.service,
        55,
        Some(ContentRole::Editor),
        shop.organization,
    );
    let project = shop
        .post(
            &newcomer,
            "/api/projects/",
            json!({"name": "n", "slug": "n", "workspace": WORKSPACE}),
        )
        .await
        .created();
    assert_eq!(
        project["created_by_name"], "Person 55",
        "known by the token until the event arrives"
    );
    let registered = UserRegistered {
        user_id: newcomer.id,
        number: 55,
        aggregate_version: 1,
        phone: None,
        username: None,
        full_name: "نام تازه".into(),
        language: Language::Fa,
        is_active: true,
        is_superuser: false,
        memberships: vec![UserMembership {
            organization_id: shop.organization,
            clinic_role: None,
            content_role: Some(ContentRole::Editor),
        }],
        created_at: Utc::now(),
    };
    apply(&shop, &[&registered]).await;
    let path = format!("/api/projects/{}/", number(&project));
    eventually(Duration::from_secs(15), async || {
        shop.get(&shop.viewer, &path).await.ok()["created_by_name"] == "نام تازه"
    })
    .await;
    assert_eq!(
        shop.get(&shop.admin, "/api/ai/jobs/?user=55").await.ok()["count"],
        0,
        "a member now"
    );
    let left = MemberChanged {
        membership_id: Uuid::now_v7(),
        aggregate_version: 2,
        organization_id: shop.organization,
        user_id: newcomer.id,
        clinic_role: None,
        content_role: None,
        is_active: false,
        changed_at: Utc::now() + TimeDelta::seconds(1),
    };
    apply(&shop, &[&left]).await;
    eventually(Duration::from_secs(15), async || {
        shop.get(&shop.admin, "/api/ai/jobs/?user=55").await.status == 400
    })
    .await;
    let renamed = UserUpdated {
        aggregate_version: 2,
        memberships: vec![],
        full_name: "N".into(),
        ..registered.into()
    };
    apply(&shop, &[&renamed]).await;
    eventually(Duration::from_secs(15), async || {
        shop.get(&shop.viewer, &path).await.ok()["created_by_name"] == "N"
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sample_data_is_there_once() {
    let shop = Workshop::open().await;
    shop.copy_workspace(demo::WORKSPACE_ID, 1, demo::ORGANIZATION_ID)
        .await;
    for _ in 0..2 {
        ContentService::seed(&shop.service.state, "demo")
            .await
            .unwrap();
    }
    let reader = person(
        &shop.service,
        60,
        Some(ContentRole::Viewer),
        demo::ORGANIZATION_ID,
    );
    let projects = shop.get(&reader, "/api/projects/").await.ok();
    assert_eq!(
        (&projects["count"], &projects["results"][0]["workspace"]),
        (&json!(1), &json!(1))
    );
    let prompts = shop.get(&reader, "/api/prompts/").await.ok();
    assert_eq!(
        (&prompts["count"], &prompts["results"][0]["variables"]),
        (&json!(1), &json!(["topic", "audience"]))
    );
    assert!(
        ContentService::seed(&shop.service.state, "other")
            .await
            .is_err()
    );
}
