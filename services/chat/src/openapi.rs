//! The API document of chat.

use utoipa::OpenApi;

use crate::{attachment, message, room, soapify, socket, summary};

#[derive(OpenApi)]
#[openapi(
    info(title = "chat", description = "Rooms, messages, sockets and summaries; the SOAPify lookups."),
    paths(
        room::http::show_api_root,
        room::http::list_rooms,
        room::http::create_room,
        room::http::show_room,
        room::http::update_room,
        room::http::leave_room,
        room::http::mark_room_read,
        message::http::list_messages,
        message::http::create_message,
        message::http::show_message,
        attachment::http::upload_attachment,
        attachment::http::download_attachment,
        summary::http::create_summary_job,
        summary::http::show_summary_job,
        summary::http::list_summaries,
        soapify::http::show_user_by_phone,
        soapify::http::show_latest_summary,
        socket::http::create_ticket,
        socket::http::open_socket,
    ),
    modifiers(&Bearer)
)]
struct Document;

struct Bearer;

impl utoipa::Modify for Bearer {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        use utoipa::openapi::security::{
            HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
        };
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("JWT")
            .build();
        document
            .components
            .get_or_insert_with(Default::default)
            .add_security_scheme("bearer", SecurityScheme::Http(scheme));
        document.security = Some(vec![SecurityRequirement::new(
            "bearer",
            Vec::<String>::new(),
        )]);
    }
}

pub(crate) fn document() -> utoipa::openapi::OpenApi {
    Document::openapi()
}
