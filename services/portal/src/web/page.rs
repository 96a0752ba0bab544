//! CIMEF's list envelope (cimef.md 0, flag 3): `{count, next, previous, total_pages, current_page, page_size, results}`.

use actix_web::HttpRequest;
use serde::{Deserialize, Serialize};
use service_http::ApiError;
use utoipa::ToSchema;

const DEFAULT_SIZE: i64 = 20;
/// The client asks for 1000 to fill its patient select.
const MAX_SIZE: i64 = 1000;

/// Parameters that every list understands; a client's junk counts as absent.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct ListQuery {
    #[serde(default)]
    pub(crate) page: Option<String>,
    #[serde(default)]
    pub(crate) page_size: Option<String>,
    #[serde(default)]
    pub(crate) search: Option<String>,
    #[serde(default)]
    pub(crate) ordering: Option<String>,
}

/// Which rows a page shows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window {
    number: Option<i64>,
    size: i64,
}

/// A page of results.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Listing<T> {
    pub(crate) count: i64,
    pub(crate) next: Option<String>,
    pub(crate) previous: Option<String>,
    pub(crate) total_pages: i64,
    pub(crate) current_page: i64,
    pub(crate) page_size: i64,
    pub(crate) results: Vec<T>,
}

fn no_page() -> ApiError {
    ApiError::not_found("request.page", "Page non valide.")
}

impl ListQuery {
    /// # Errors
    /// 404 for page 0 or a page that is no number.
    pub(crate) fn window(&self, default_size: Option<i64>) -> Result<Window, ApiError> {
        let size = self
            .page_size
            .as_deref()
            .and_then(|text| text.parse::<i64>().ok())
            .filter(|size| *size > 0)
            .map_or(default_size.unwrap_or(DEFAULT_SIZE), |size| {
                size.min(MAX_SIZE)
            });
        let number = match self.page.as_deref().map(str::trim) {
            None | Some("") => Some(1),
            Some("last") => None,
            Some(text) => Some(
                text.parse::<i64>()
                    .ok()
                    .filter(|page| *page >= 1)
                    .ok_or_else(no_page)?,
            ),
        };
        Ok(Window { number, size })
    }

    pub(crate) fn ordering(&self) -> &str {
        self.ordering.as_deref().unwrap_or_default()
    }
}

impl Window {
    /// Rows to skip and to take, once the count is known.
    ///
    /// # Errors
    /// 404 `Page non valide.` past the end.
    pub(crate) fn range(self, count: i64) -> Result<(i64, i64), ApiError> {
        let (number, _) = self.place(count)?;
        Ok(((number - 1) * self.size, self.size))
    }

    fn place(self, count: i64) -> Result<(i64, i64), ApiError> {
        let pages = ((count + self.size - 1) / self.size).max(1);
        let number = self.number.unwrap_or(pages);
        if number > pages {
            Err(no_page())
        } else {
            Ok((number, pages))
        }
    }

    /// The envelope.
    ///
    /// # Errors
    /// As [`Window::range`].
    pub(crate) fn listing<T>(
        self,
        request: &HttpRequest,
        base: &str,
        count: i64,
        results: Vec<T>,
    ) -> Result<Listing<T>, ApiError> {
        let (number, pages) = self.place(count)?;
        let link = |page: i64| {
            let mut query: Vec<(String, String)> =
                url::form_urlencoded::parse(request.query_string().as_bytes())
                    .filter(|(name, _)| name != "page")
                    .map(|(name, value)| (name.into_owned(), value.into_owned()))
                    .collect();
            if page > 1 {
                query.insert(0, ("page".into(), page.to_string()));
            }
            let query = url::form_urlencoded::Serializer::new(String::new())
                .extend_pairs(query)
                .finish();
            let path = request.path().trim_end_matches('/');
            if query.is_empty() {
                format!("{base}{path}/")
            } else {
                format!("{base}{path}/?{query}")
            }
        };
        Ok(Listing {
            count,
            next: (number < pages).then(|| link(number + 1)),
            previous: (number > 1).then(|| link(number - 1)),
            total_pages: pages,
            current_page: number,
            page_size: self.size,
            results,
        })
    }
}

/// The words of a search, each as an `ILIKE` pattern; all must match.
pub(crate) fn search_words(search: Option<&str>) -> Vec<String> {
    search
        .unwrap_or_default()
        .split_whitespace()
        .take(10)
        .map(|word| {
            let escaped = word
                .replace('\\', "\\\\")
                .replace('%', "\\%")
                .replace('_', "\\_");
            format!("%{escaped}%")
        })
        .collect()
}

/// A day in a query filter; empty counts as absent.
///
/// # Errors
/// 400 under the parameter's name.
pub(crate) fn filter_day(
    name: &str,
    text: Option<&str>,
) -> Result<Option<chrono::NaiveDate>, ApiError> {
    match text.map(str::trim) {
        None | Some("") => Ok(None),
        Some(text) => text
            .split('T')
            .next()
            .unwrap_or_default()
            .parse()
            .map(Some)
            .map_err(|_| ApiError::invalid().field(name, super::words::BAD_FILTER_DATE)),
    }
}

/// An integer in a query filter; empty counts as absent.
///
/// # Errors
/// 400 under the parameter's name.
pub(crate) fn filter_number(name: &str, text: Option<&str>) -> Result<Option<i64>, ApiError> {
    match text.map(str::trim) {
        None | Some("") => Ok(None),
        Some(text) => text
            .parse()
            .map(Some)
            .map_err(|_| ApiError::invalid().field(name, super::words::BAD_FILTER_NUMBER)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(page: &str, size: &str) -> ListQuery {
        ListQuery {
            page: Some(page.into()),
            page_size: Some(size.into()),
            ..ListQuery::default()
        }
    }

    #[test]
    fn pages_and_sizes_are_read_as_the_client_sends_them() {
        assert_eq!(
            query("", "junk").window(None).unwrap().range(0).unwrap(),
            (0, 20)
        );
        assert_eq!(
            query("2", "5").window(None).unwrap().range(6).unwrap(),
            (5, 5)
        );
        assert_eq!(
            query("last", "5").window(None).unwrap().range(11).unwrap(),
            (10, 5)
        );
        assert_eq!(
            query("1", "5000").window(None).unwrap().range(0).unwrap(),
            (0, 1000)
        );
        for page in ["0", "-1", "x"] {
            assert_eq!(query(page, "5").window(None).unwrap_err().status(), 404);
        }
        assert_eq!(
            query("3", "5")
                .window(None)
                .unwrap()
                .range(10)
                .unwrap_err()
                .status(),
            404
        );
    }

    #[test]
    fn wildcards_in_a_search_are_only_text() {
        assert_eq!(search_words(Some(" a%b  c_ ")), ["%a\\%b%", "%c\\_%"]);
        assert!(search_words(None).is_empty());
    }
}
