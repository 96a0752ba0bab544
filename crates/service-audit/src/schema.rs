//! The shared audit tables, as `migrations/shared` makes them.

diesel::table! {
    audit_entries (id) {
        id -> Uuid,
        occurred_at -> Timestamptz,
        actor -> Text,
        actor_kind -> Text,
        action -> Text,
        subject_kind -> Text,
        subject_ids -> Array<Text>,
        organization_id -> Nullable<Uuid>,
        outcome -> Text,
        ip -> Nullable<Text>,
        request_id -> Nullable<Text>,
        details -> Jsonb,
    }
}

diesel::table! {
    audit_sealed_entries (entry_id) {
        entry_id -> Uuid,
        seal_number -> Int8,
    }
}

diesel::table! {
    audit_seals (number) {
        number -> Int8,
        entry_ids -> Array<Uuid>,
        entries_hash -> Bytea,
        previous_hash -> Bytea,
        hash -> Bytea,
        sealed_at -> Timestamptz,
    }
}

diesel::allow_tables_to_appear_in_same_query!(audit_entries, audit_sealed_entries, audit_seals);
