//! Query strings and path segments, refused in the platform's own shape.

use std::ops::Deref;

use actix_web::{FromRequest, HttpRequest, dev::Payload, web};
use serde::de::DeserializeOwned;

use super::{Read, after_admission};
use crate::error::ApiError;

/// The query string as `T`; a bad one is 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Query<T>(pub T);

/// The path's segments as `T`; what cannot be parsed is 404, because no such object can exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Path<T>(pub T);

impl<T> Query<T> {
    /// The value itself.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> Path<T> {
    /// The value itself.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> Deref for Query<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> Deref for Path<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: DeserializeOwned + 'static> FromRequest for Query<T> {
    type Error = ApiError;
    type Future = Read<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let parsed = web::Query::<T>::from_query(request.query_string())
            .map(|query| Self(query.into_inner()))
            .map_err(|error| {
                ApiError::bad_request("request.query", format!("Invalid query string: {error}"))
            });
        after_admission(request, parsed)
    }
}

impl<T: DeserializeOwned + 'static> FromRequest for Path<T> {
    type Error = ApiError;
    type Future = Read<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let parsed = web::Path::<T>::from_request(request, payload)
            .into_inner()
            .map(|path| Self(path.into_inner()))
            .map_err(|_| ApiError::not_found("request.not_found", "Not found."));
        after_admission(request, parsed)
    }
}
