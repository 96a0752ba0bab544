//! Audit rows of portal: who, what, whom, from where. Written in the transaction, before data leaves.

use std::net::IpAddr;

use actix_web::{HttpRequest, http::header};
use chrono::{DateTime, Utc};
use common_types::{AccessClaims, PortalClaims};
use diesel::QueryResult;
use diesel_async::AsyncPgConnection;
use serde_json::{Map, Value};
use service_audit::{ActorKind, AuditEntry, Outcome};
use uuid::Uuid;

/// The person or service behind a request.
#[derive(Debug, Clone)]
pub(crate) struct Who {
    actor: String,
    kind: ActorKind,
    user: Option<Uuid>,
    name: String,
    organization: Option<Uuid>,
    ip: Option<IpAddr>,
    user_agent: String,
    request_id: Option<String>,
}

/// What was done to whom.
#[derive(Debug, Clone)]
pub(crate) struct Act {
    action: &'static str,
    subject_kind: &'static str,
    subjects: Vec<Uuid>,
    details: Value,
    outcome: Outcome,
}

impl Act {
    /// A successful act without details.
    pub(crate) fn on(action: &'static str, subject_kind: &'static str, subjects: &[Uuid]) -> Self {
        Self {
            action,
            subject_kind,
            subjects: subjects.to_vec(),
            details: Value::Object(Map::new()),
            outcome: Outcome::Success,
        }
    }

    /// The act with details: ids and reasons, never a secret, never personal data.
    pub(crate) fn with(mut self, details: Value) -> Self {
        self.details = details;
        self
    }

    /// The act as one that was refused.
    pub(crate) fn denied(mut self) -> Self {
        self.outcome = Outcome::Denied;
        self
    }
}

impl Who {
    pub(crate) fn staff(request: &HttpRequest, claims: &AccessClaims, organization: Uuid) -> Self {
        Self {
            user: Some(claims.sub),
            name: claims.name.clone(),
            ..Self::new(
                request,
                claims.sub.to_string(),
                ActorKind::User,
                Some(organization),
            )
        }
    }

    pub(crate) fn patient(request: &HttpRequest, claims: &PortalClaims) -> Self {
        Self::new(
            request,
            claims.sub.to_string(),
            ActorKind::Patient,
            Some(claims.org),
        )
    }

    /// Someone who has not proved anything yet.
    pub(crate) fn anonymous(request: &HttpRequest) -> Self {
        Self::new(request, String::new(), ActorKind::Anonymous, None)
    }

    /// The same person once known as this patient.
    pub(crate) fn become_patient(mut self, patient: Uuid, organization: Uuid) -> Self {
        self.actor = patient.to_string();
        self.kind = ActorKind::Patient;
        self.organization = Some(organization);
        self
    }

    /// Portal itself, acting on an event.
    pub(crate) fn system(organization: Uuid) -> Self {
        Self {
            actor: "portal".into(),
            kind: ActorKind::System,
            user: None,
            name: String::new(),
            organization: Some(organization),
            ip: None,
            user_agent: String::new(),
            request_id: None,
        }
    }

    /// A staff member known by a ticket.
    pub(crate) fn ticket(request: &HttpRequest, user: Uuid, organization: Uuid) -> Self {
        Self {
            user: Some(user),
            ..Self::new(
                request,
                user.to_string(),
                ActorKind::User,
                Some(organization),
            )
        }
    }

    /// Another service of the platform.
    pub(crate) fn service(request: &HttpRequest, name: &str) -> Self {
        Self::new(request, name.to_owned(), ActorKind::Service, None)
    }

    /// The same, acting on this organisation's data.
    pub(crate) fn of(mut self, organization: Uuid) -> Self {
        self.organization = Some(organization);
        self
    }

    fn new(
        request: &HttpRequest,
        actor: String,
        kind: ActorKind,
        organization: Option<Uuid>,
    ) -> Self {
        let agent = request
            .headers()
            .get(header::USER_AGENT)
            .and_then(|value| value.to_str().ok());
        Self {
            actor,
            kind,
            user: None,
            name: String::new(),
            organization,
            ip: Some(service_http::extract::client_ip(request)),
            user_agent: agent.unwrap_or_default().chars().take(200).collect(),
            request_id: service_telemetry::current_request_id(),
        }
    }

    /// The staff member's user id.
    pub(crate) fn user(&self) -> Option<Uuid> {
        self.user
    }

    /// The staff member's name; may be empty.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The address as text; empty when there is none.
    pub(crate) fn ip(&self) -> String {
        self.ip.map(|ip| ip.to_string()).unwrap_or_default()
    }

    pub(crate) fn user_agent(&self) -> &str {
        &self.user_agent
    }

    /// Writes the row.
    ///
    /// # Errors
    /// When the database refuses; the caller's transaction then ends without giving data out.
    pub(crate) async fn record(
        &self,
        conn: &mut AsyncPgConnection,
        act: Act,
        now: DateTime<Utc>,
    ) -> QueryResult<()> {
        let entry = AuditEntry::new(&self.actor, self.kind, act.action, now)
            .subjects(act.subject_kind, act.subjects)
            .organization(self.organization)
            .outcome(act.outcome)
            .origin(self.ip, self.request_id.clone())
            .details(act.details);
        service_audit::record(conn, entry).await.map(drop)
    }
}
