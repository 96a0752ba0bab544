diesel::table! {
    bookings (recorded_payment_id) {
        recorded_payment_id -> Uuid,
        organization_id -> Uuid,
        version -> Int8,
        transfer_id -> Nullable<Uuid>,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    ledger_accounts (id) {
        id -> Uuid,
        organization_id -> Uuid,
        code -> Text,
        owner_id -> Nullable<Uuid>,
        currency -> Text,
        balance -> Int8,
        floor -> Nullable<Int8>,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    ledger_entries (id) {
        id -> Uuid,
        transfer_id -> Uuid,
        account_id -> Uuid,
        amount -> Int8,
        currency -> Text,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    ledger_transfers (id) {
        id -> Uuid,
        organization_id -> Uuid,
        kind -> Text,
        reference -> Text,
        description -> Text,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    payment_logs (id) {
        id -> Uuid,
        payment_id -> Uuid,
        kind -> Text,
        details -> Jsonb,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    payments (id) {
        id -> Uuid,
        organization_id -> Uuid,
        payer_id -> Nullable<Uuid>,
        purpose -> Text,
        status -> Text,
        amount -> Int8,
        currency -> Text,
        invoice_id -> Nullable<Uuid>,
        soapify_user_id -> Nullable<Text>,
        description -> Text,
        provider -> Text,
        provider_reference -> Nullable<Text>,
        hints -> Array<Text>,
        tracking_code -> Nullable<Text>,
        payment_url -> Nullable<Text>,
        return_url -> Nullable<Text>,
        version -> Int8,
        failure_reason -> Nullable<Text>,
        review_reason -> Nullable<Text>,
        request_subject -> Nullable<Text>,
        request_route -> Nullable<Text>,
        request_key -> Nullable<Text>,
        request_hash -> Nullable<Bytea>,
        next_check_at -> Nullable<Timestamptz>,
        checks -> Int4,
        expires_at -> Timestamptz,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
        completed_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    people (user_id) {
        user_id -> Uuid,
        phone -> Nullable<Text>,
        full_name -> Text,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    provider_events (webhook_event_id) {
        webhook_event_id -> Uuid,
        provider -> Text,
        event_type -> Text,
        payment_id -> Nullable<Uuid>,
        provider_reference -> Nullable<Text>,
        order_reference -> Nullable<Text>,
        received_at -> Timestamptz,
    }
}

diesel::joinable!(bookings -> ledger_transfers (transfer_id));
diesel::joinable!(ledger_entries -> ledger_transfers (transfer_id));
diesel::joinable!(payment_logs -> payments (payment_id));
diesel::joinable!(provider_events -> payments (payment_id));

diesel::allow_tables_to_appear_in_same_query!(
    bookings,
    ledger_accounts,
    ledger_entries,
    ledger_transfers,
    payment_logs,
    payments,
    people,
    provider_events,
);
