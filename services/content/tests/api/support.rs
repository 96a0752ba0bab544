//! A workshop with an admin, two editors, a writer, a viewer, a colleague without content role, and a stranger of another organisation.

use common_types::ContentRole;
use content::ContentService;
use diesel::sql_types::{BigInt, Nullable, Text, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use service_testing::{ServiceSetup, TestService};
use uuid::Uuid;

#[derive(Clone)]
pub(crate) struct Person {
    pub(crate) id: Uuid,
    pub(crate) number: i64,
    pub(crate) token: String,
}

pub(crate) struct Workshop {
    pub(crate) service: TestService<ContentService>,
    pub(crate) organization: Uuid,
    pub(crate) workspace: Uuid,
    pub(crate) admin: Person,
    pub(crate) editor: Person,
    pub(crate) second_editor: Person,
    pub(crate) writer: Person,
    pub(crate) viewer: Person,
    /// A member of the clinic without a content role.
    pub(crate) outsider: Person,
    /// An admin of another organisation.
    pub(crate) stranger: Person,
}

pub(crate) const WORKSPACE: i64 = 5;
pub(crate) const ORGANIZATION: i64 = 3;

impl Workshop {
    pub(crate) async fn open() -> Self {
        Self::open_with(|setup| setup).await
    }

    pub(crate) async fn open_with(change: impl FnOnce(ServiceSetup) -> ServiceSetup) -> Self {
        let service: TestService<ContentService> = change(ServiceSetup::new()).start().await;
        let (organization, workspace) = (Uuid::now_v7(), Uuid::now_v7());
        let elsewhere = Uuid::now_v7();
        let person = |number, role, org| person(&service, number, role, org);
        let shop = Self {
            admin: person(11, Some(ContentRole::Admin), organization),
            editor: person(12, Some(ContentRole::Editor), organization),
            second_editor: person(13, Some(ContentRole::Editor), organization),
            writer: person(14, Some(ContentRole::Writer), organization),
            viewer: person(15, Some(ContentRole::Viewer), organization),
            outsider: person(16, None, organization),
            stranger: person(19, Some(ContentRole::Admin), elsewhere),
            organization,
            workspace,
            service,
        };
        shop.copy_organization(organization, ORGANIZATION).await;
        shop.copy_organization(elsewhere, 4).await;
        shop.copy_workspace(workspace, WORKSPACE, organization)
            .await;
        shop.copy_workspace(Uuid::now_v7(), 6, elsewhere).await;
        for (person, role) in [
            (&shop.admin, Some("admin")),
            (&shop.editor, Some("editor")),
            (&shop.second_editor, Some("editor")),
            (&shop.writer, Some("writer")),
            (&shop.viewer, Some("viewer")),
            (&shop.outsider, None),
        ] {
            shop.copy_member(person, organization, role).await;
        }
        shop.copy_member(&shop.stranger, elsewhere, Some("admin"))
            .await;
        shop
    }

    async fn copy_organization(&self, id: Uuid, number: i64) {
        let mut conn = self.service.stack.db.get().await.unwrap();
        diesel::sql_query("INSERT INTO organizations (id, number, name, version, updated_at) VALUES ($1, $2, 'Org', 1, now())")
            .bind::<SqlUuid, _>(id)
            .bind::<BigInt, _>(number)
            .execute(&mut conn)
            .await
            .unwrap();
    }

    pub(crate) async fn copy_workspace(&self, id: Uuid, number: i64, organization: Uuid) {
        let mut conn = self.service.stack.db.get().await.unwrap();
        diesel::sql_query(
            "INSERT INTO workspaces (id, number, organization_id, name, slug, is_active, is_deleted, version, updated_at) \
             VALUES ($1, $2, $3, 'Space', 'space', true, false, 1, now())",
        )
        .bind::<SqlUuid, _>(id)
        .bind::<BigInt, _>(number)
        .bind::<SqlUuid, _>(organization)
        .execute(&mut conn)
        .await
        .unwrap();
    }

    pub(crate) async fn copy_member(
        &self,
        person: &Person,
        organization: Uuid,
        role: Option<&str>,
    ) {
        let mut conn = self.service.stack.db.get().await.unwrap();
        diesel::sql_query(
            "INSERT INTO people (id, number, full_name, is_active, version, updated_at) VALUES ($1, $2, $3, true, 1, now())",
        )
        .bind::<SqlUuid, _>(person.id)
        .bind::<BigInt, _>(person.number)
        .bind::<Text, _>(format!("Person {}", person.number))
        .execute(&mut conn)
        .await
        .unwrap();
        diesel::sql_query(
            "INSERT INTO members (organization_id, user_id, content_role, is_active, changed_at) VALUES ($1, $2, $3, true, now())",
        )
        .bind::<SqlUuid, _>(organization)
        .bind::<SqlUuid, _>(person.id)
        .bind::<Nullable<Text>, _>(role)
        .execute(&mut conn)
        .await
        .unwrap();
    }

    pub(crate) async fn execute(&self, sql: &str) {
        let mut conn = self.service.database.owner().await.get().await.unwrap();
        diesel::sql_query(sql).execute(&mut conn).await.unwrap();
    }

    /// A project, a prompt with `{topic}`, and a content of the writer made from both.
    pub(crate) async fn draft(&self) -> Draft {
        let project = self
            .post(
                &self.writer,
                "/api/projects/",
                json!({"name": "Health", "slug": "health", "workspace": WORKSPACE}),
            )
            .await
            .created();
        let prompt = self
            .post(
                &self.writer,
                "/api/prompts/",
                json!({"title": "Article", "category": "blog", "prompt_template": "Write about {topic}.", "workspace": WORKSPACE}),
            )
            .await
            .created();
        let content = self
            .post(
                &self.writer,
                "/api/contents/",
                json!({"title": "Sleep", "project": project["id"], "prompt": prompt["id"], "prompt_variables": {"topic": "sleep"}}),
            )
            .await
            .created();
        Draft {
            project: number(&project),
            prompt: number(&prompt),
            content: number(&content),
        }
    }

    /// The same, submitted by the writer with a body.
    pub(crate) async fn in_review(&self) -> Draft {
        let draft = self.draft().await;
        let path = format!("/api/contents/{}/", draft.content);
        self.patch(&self.editor, &path, json!({"body": "one two three"}))
            .await
            .ok();
        let submitted = self
            .patch(&self.writer, &path, json!({"status": "review"}))
            .await
            .ok();
        assert_eq!(submitted["status"], "review");
        draft
    }

    pub(crate) fn request(&self, person: &Person, method: Method, path: &str) -> RequestBuilder {
        self.service
            .request(method, path)
            .bearer_auth(&person.token)
    }

    pub(crate) async fn get(&self, person: &Person, path: &str) -> Answer {
        Answer::of(self.request(person, Method::GET, path)).await
    }

    pub(crate) async fn post(&self, person: &Person, path: &str, body: Value) -> Answer {
        Answer::of(self.request(person, Method::POST, path).json(&body)).await
    }

    pub(crate) async fn patch(&self, person: &Person, path: &str, body: Value) -> Answer {
        Answer::of(self.request(person, Method::PATCH, path).json(&body)).await
    }

    pub(crate) async fn put(&self, person: &Person, path: &str, body: Value) -> Answer {
        Answer::of(self.request(person, Method::PUT, path).json(&body)).await
    }

    pub(crate) async fn delete(&self, person: &Person, path: &str) -> Answer {
        Answer::of(self.request(person, Method::DELETE, path)).await
    }
}

#[derive(Clone, Copy)]
pub(crate) struct Draft {
    pub(crate) project: i64,
    pub(crate) prompt: i64,
    pub(crate) content: i64,
}

/// A status with its JSON body.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Value,
    pub(crate) code: Option<String>,
}

impl Answer {
    pub(crate) async fn of(request: RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        let status = response.status();
        let header = response
            .headers()
            .get("x-error-code")
            .map(|value| value.to_str().unwrap().to_owned());
        let text = response.text().await.unwrap();
        let body: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
        let code = header.or_else(|| body["code"].as_str().map(str::to_owned));
        Self { status, body, code }
    }

    #[track_caller]
    pub(crate) fn is(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
        self.body
    }

    #[track_caller]
    pub(crate) fn ok(self) -> Value {
        self.is(200)
    }

    #[track_caller]
    pub(crate) fn created(self) -> Value {
        self.is(201)
    }
}

pub(crate) fn number(value: &Value) -> i64 {
    value["id"].as_i64().expect("a number as id")
}

/// The sorted member names of an object.
pub(crate) fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = value
        .as_object()
        .expect("an object")
        .keys()
        .map(String::as_str)
        .collect();
    keys.sort_unstable();
    keys
}

pub(crate) fn person(
    service: &TestService<ContentService>,
    number: i64,
    role: Option<ContentRole>,
    organization: Uuid,
) -> Person {
    let id = Uuid::now_v7();
    let token = service.issuer.access(|claims| {
        claims.sub = id;
        claims.user_id = number.to_string();
        claims.org = Some(organization);
        claims.content_role = role;
        claims.name = format!("Person {number}");
    });
    Person { id, number, token }
}
