//! Who may do what in the workshop (C06), from the access token alone. Every permission needs an organisation in the token:
//! everything here belongs to one.

use common_types::ContentRole::{Admin, Editor, Writer};
use service_http::{AccessClaims, permission};

fn has(claims: &AccessClaims, roles: &[common_types::ContentRole]) -> bool {
    claims.org.is_some()
        && (claims.superuser
            || claims
                .content_role
                .is_some_and(|role| roles.contains(&role)))
}

permission!(
    /// Any member of the workshop: the safe methods.
    pub(crate) ReadContent, "content.read",
    |claims| claims.org.is_some() && (claims.superuser || claims.content_role.is_some())
);
permission!(
    /// `CanCreateContent`: admin, editor, writer.
    pub(crate) CreateContent, "content.create",
    |claims| has(claims, &[Admin, Editor, Writer])
);
permission!(
    /// `CanEditContent`: admin, editor.
    pub(crate) EditContent, "content.edit",
    |claims| has(claims, &[Admin, Editor])
);
permission!(
    /// `CanApproveContent`: admin, editor.
    pub(crate) ApproveContent, "content.approve",
    |claims| has(claims, &[Admin, Editor])
);
permission!(
    /// Limits and the audit trail: admin.
    pub(crate) AdministerContent, "content.administer",
    |claims| has(claims, &[Admin])
);
