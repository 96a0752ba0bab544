//! Page-number lists: `{count, next, previous, results}` with absolute links.

use actix_web::HttpRequest;
use common_types::Page;
use serde::Deserialize;

use crate::error::ApiError;

/// Items on a page when the caller does not say.
pub const DEFAULT_PAGE_SIZE: i64 = 20;
/// Most items on a page.
pub const MAX_PAGE_SIZE: i64 = 100;

/// The list parameters that every list understands.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct PageQuery {
    /// Page number from 1.
    pub page: Option<i64>,
    /// Items on a page, 1 to [`MAX_PAGE_SIZE`].
    pub page_size: Option<i64>,
    /// Free text to look for.
    pub search: Option<String>,
    /// Fields to order by, `-` before a field for descending.
    pub ordering: Option<String>,
}

impl PageQuery {
    /// The page number, at least 1.
    pub fn number(&self) -> i64 {
        self.page.unwrap_or(1).max(1)
    }

    /// Items on a page, within bounds.
    pub fn limit(&self) -> i64 {
        self.page_size
            .unwrap_or(DEFAULT_PAGE_SIZE)
            .clamp(1, MAX_PAGE_SIZE)
    }

    /// Rows to skip.
    pub fn offset(&self) -> i64 {
        (self.number() - 1).saturating_mul(self.limit())
    }

    /// The search text without surrounding white space, when there is any.
    pub fn search(&self) -> Option<&str> {
        self.search
            .as_deref()
            .map(str::trim)
            .filter(|text| !text.is_empty())
    }
}

/// A page of `items` out of `total`, with links made from the request's own address.
///
/// # Errors
/// 404 `Invalid page.` for a page past the end (the first page of nothing is fine).
pub fn paginate<T>(
    request: &HttpRequest,
    query: &PageQuery,
    total: i64,
    items: Vec<T>,
) -> Result<Page<T>, ApiError> {
    paginate_by(request, query, query.limit(), total, items)
}

/// As [`paginate`], for a list with its own bound on `page_size`: `limit` items stand on a page.
///
/// # Errors
/// As [`paginate`].
pub fn paginate_by<T>(
    request: &HttpRequest,
    query: &PageQuery,
    limit: i64,
    total: i64,
    items: Vec<T>,
) -> Result<Page<T>, ApiError> {
    let number = query.number();
    let last = if total <= 0 {
        1
    } else {
        (total + limit - 1) / limit
    };
    if number > last || query.page.is_some_and(|page| page < 1) {
        return Err(ApiError::not_found("request.page", "Invalid page."));
    }
    Ok(Page {
        count: total,
        next: (number < last).then(|| link(request, number + 1)),
        previous: (number > 1).then(|| link(request, number - 1)),
        results: items,
    })
}

/// This request's address with another page number; page 1 is written without one, as Django does.
fn link(request: &HttpRequest, page: i64) -> String {
    let connection = request.connection_info();
    let base = request
        .app_data::<actix_web::web::Data<crate::stack::Stack>>()
        .and_then(|stack| stack.origins.first().cloned())
        .map_or_else(
            || format!("{}://{}", connection.scheme(), connection.host()),
            |url| url.as_str().trim_end_matches('/').to_owned(),
        );
    let mut query: Vec<(String, String)> =
        url::form_urlencoded::parse(request.query_string().as_bytes())
            .filter(|(name, _)| name != "page")
            .map(|(name, value)| (name.into_owned(), value.into_owned()))
            .collect();
    if page > 1 {
        query.insert(0, ("page".to_owned(), page.to_string()));
    }
    let path = request.path().trim_end_matches('/');
    let query = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(query)
        .finish();
    if query.is_empty() {
        format!("{base}{path}/")
    } else {
        format!("{base}{path}/?{query}")
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn query(page: Option<i64>, page_size: Option<i64>) -> PageQuery {
        PageQuery {
            page,
            page_size,
            ..PageQuery::default()
        }
    }

    #[test]
    fn links_keep_filters_and_the_first_page_has_no_number() {
        let request = TestRequest::with_uri("/api/rooms?page=2&page_size=1&search=%D8%A7+b")
            .to_http_request();
        let page = paginate(&request, &query(Some(2), Some(1)), 3, vec![1]).unwrap();
        assert_eq!(page.count, 3);
        assert_eq!(
            page.next.unwrap(),
            "http://localhost:8080/api/rooms/?page=3&page_size=1&search=%D8%A7+b"
        );
        assert_eq!(
            page.previous.unwrap(),
            "http://localhost:8080/api/rooms/?page_size=1&search=%D8%A7+b"
        );
    }

    #[test]
    fn a_page_past_the_end_is_404_but_an_empty_first_page_is_not() {
        let request = TestRequest::with_uri("/x").to_http_request();
        assert!(paginate::<i32>(&request, &query(None, None), 0, vec![]).is_ok());
        let error = paginate::<i32>(&request, &query(Some(2), None), 20, vec![]).unwrap_err();
        assert_eq!(error.status(), 404);
        assert!(paginate::<i32>(&request, &query(Some(0), None), 20, vec![]).is_err());
    }

    #[test]
    fn sizes_are_bounded() {
        assert_eq!(query(None, Some(100_000)).limit(), MAX_PAGE_SIZE);
        assert_eq!(query(Some(3), Some(0)).offset(), 2);
        assert_eq!(query(Some(i64::MAX), Some(100)).offset(), i64::MAX);
    }
}
