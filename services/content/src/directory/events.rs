//! Applies the events of auth-otp to the copies.

use async_trait::async_trait;
use common_types::events::{
    Envelope,
    auth::{MemberChanged, OrganizationChanged, UserRegistered, UserUpdated, WorkspaceChanged},
};
use diesel_async::AsyncPgConnection;
use service_events::{EventHandler, HandlerError};

use super::store::{self, MemberCopy, OrganizationCopy, PersonCopy, WorkspaceCopy};

/// Keeps every copy.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Copy;

#[async_trait]
impl EventHandler<UserRegistered> for Copy {
    async fn handle(
        &self,
        conn: &mut AsyncPgConnection,
        envelope: &Envelope,
        event: UserRegistered,
    ) -> Result<(), HandlerError> {
        self.handle(conn, envelope, UserUpdated::from(event)).await
    }
}

#[async_trait]
impl EventHandler<UserUpdated> for Copy {
    async fn handle(
        &self,
        conn: &mut AsyncPgConnection,
        envelope: &Envelope,
        event: UserUpdated,
    ) -> Result<(), HandlerError> {
        let newer = store::upsert_person(
            conn,
            PersonCopy {
                id: event.user_id,
                number: event.number,
                full_name: &event.full_name,
                is_active: event.is_active,
                version: event.aggregate_version,
                updated_at: envelope.occurred_at,
            },
        )
        .await?;
        if !newer {
            return Ok(());
        }
        for membership in &event.memberships {
            let copy = MemberCopy {
                organization_id: membership.organization_id,
                user_id: event.user_id,
                content_role: membership.content_role.map(|role| role.as_str()),
                is_active: true,
                changed_at: envelope.occurred_at,
            };
            store::upsert_member(conn, copy).await?;
        }
        let kept: Vec<_> = event
            .memberships
            .iter()
            .map(|membership| membership.organization_id)
            .collect();
        store::end_other_memberships(conn, event.user_id, &kept, envelope.occurred_at).await?;
        Ok(())
    }
}

#[async_trait]
impl EventHandler<MemberChanged> for Copy {
    async fn handle(
        &self,
        conn: &mut AsyncPgConnection,
        _: &Envelope,
        event: MemberChanged,
    ) -> Result<(), HandlerError> {
        let copy = MemberCopy {
            organization_id: event.organization_id,
            user_id: event.user_id,
            content_role: event.content_role.map(|role| role.as_str()),
            is_active: event.is_active,
            changed_at: event.changed_at,
        };
        Ok(store::upsert_member(conn, copy).await?)
    }
}

#[async_trait]
impl EventHandler<OrganizationChanged> for Copy {
    async fn handle(
        &self,
        conn: &mut AsyncPgConnection,
        _: &Envelope,
        event: OrganizationChanged,
    ) -> Result<(), HandlerError> {
        let copy = OrganizationCopy {
            id: event.organization_id,
            number: event.number,
            name: &event.name,
            version: event.aggregate_version,
            updated_at: event.changed_at,
        };
        Ok(store::upsert_organization(conn, copy).await?)
    }
}

#[async_trait]
impl EventHandler<WorkspaceChanged> for Copy {
    async fn handle(
        &self,
        conn: &mut AsyncPgConnection,
        _: &Envelope,
        event: WorkspaceChanged,
    ) -> Result<(), HandlerError> {
        let copy = WorkspaceCopy {
            id: event.workspace_id,
            number: event.number,
            organization_id: event.organization_id,
            name: &event.name,
            slug: &event.slug,
            is_active: event.is_active,
            is_deleted: event.is_deleted,
            version: event.aggregate_version,
            updated_at: event.changed_at,
        };
        Ok(store::upsert_workspace(conn, copy).await?)
    }
}
