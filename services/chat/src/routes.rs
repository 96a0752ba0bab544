//! The HTTP map of chat.

use actix_web::web::{self, ServiceConfig};

use crate::{
    AppState, attachment::http as attachment, message::http as message, room::http as room,
    soapify::http as soapify, socket::http as socket, summary::http as summary,
};

pub(crate) fn configure(config: &mut ServiceConfig, state: AppState) {
    config
        .app_data(web::Data::new(state))
        // H02: rooms and messages of django-chelseru (wire.md 4.4).
        .service(web::resource("/api/chat").get(room::show_api_root))
        .service(
            web::resource("/api/chat/chatrooms")
                .get(room::list_rooms)
                .post(room::create_room),
        )
        .service(
            web::resource("/api/chat/chatrooms/{room}")
                .get(room::show_room)
                .put(room::update_room)
                .patch(room::update_room)
                .delete(room::leave_room),
        )
        .service(web::resource("/api/chat/chatrooms/{room}/read").post(room::mark_room_read))
        .service(
            web::resource("/api/chat/messages")
                .get(message::list_messages)
                .post(message::create_message),
        )
        .service(web::resource("/api/chat/messages/{message}").get(message::show_message))
        .service(web::resource("/api/message/file/upload").post(attachment::upload_attachment))
        .service(
            web::resource("/media/uploads/chat_files/{attachment}/{name}")
                .get(attachment::download_attachment),
        )
        // H01: summaries.
        .service(
            web::resource("/api/chat/chatrooms/{room}/summarize").post(summary::create_summary_job),
        )
        .service(web::resource("/api/chat/chatrooms/{room}/summaries").get(summary::list_summaries))
        .service(web::resource("/api/chat/summary-jobs/{job}").get(summary::show_summary_job))
        // The SOAPify lookups of CrazyMiner (wire.md 2.4), for machines only.
        .service(
            web::resource("/api/chat/summaries/latest/{user_id}").get(soapify::show_latest_summary),
        )
        .service(web::resource("/api/users/by-phone/{phone}").get(soapify::show_user_by_phone))
        // Sockets (wire.md 4.5).
        .service(web::resource("/api/chat/tickets").post(socket::create_ticket))
        .service(web::resource("/ws/chat/{room}").get(socket::open_socket))
        .service(web::resource("/chat/{room}").get(socket::open_socket));
}
