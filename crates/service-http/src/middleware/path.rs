//! One spelling per path (Q-G2, decision 27).

use actix_web::{dev::ServiceRequest, http::uri::PathAndQuery};

use crate::error::ApiError;

/// Refuses paths that two programs might read differently, and takes the final slash off.
///
/// # Errors
/// 400 for `//`, dot segments, and encoded slash, backslash, NUL or dot.
pub(crate) fn canonicalise(request: &mut ServiceRequest) -> Result<(), ApiError> {
    let path = request.uri().path();
    if !is_canonical(path) {
        return Err(ApiError::bad_request(
            "request.path",
            "The path is not canonical.",
        ));
    }
    if path.len() > 1 && path.ends_with('/') {
        trim(request);
    }
    Ok(())
}

fn is_canonical(path: &str) -> bool {
    let lower = path.to_ascii_lowercase();
    !path.contains("//")
        && !path.contains('\\')
        && !["%2f", "%5c", "%00", "%2e"]
            .iter()
            .any(|encoded| lower.contains(encoded))
        && !path
            .split('/')
            .any(|segment| segment == "." || segment == "..")
}

fn trim(request: &mut ServiceRequest) {
    let mut parts = request.head().uri.clone().into_parts();
    let path = request.uri().path().trim_end_matches('/').to_owned();
    let target = match request.uri().query() {
        Some(query) => format!("{path}?{query}"),
        None => path,
    };
    let Ok(target) = PathAndQuery::try_from(target) else {
        return;
    };
    parts.path_and_query = Some(target);
    if let Ok(uri) = actix_web::http::Uri::from_parts(parts) {
        request.match_info_mut().get_mut().update(&uri);
        request.head_mut().uri = uri;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_with_two_readings_are_not_canonical() {
        for bad in [
            "//x",
            "/a//b",
            "/a/../b",
            "/a/./b",
            "/a/..",
            "/%2e%2e/x",
            "/a%2Fb",
            "/a%5cb",
            "/a%00",
            "/a\\b",
        ] {
            assert!(!is_canonical(bad), "{bad}");
        }
        for good in [
            "/",
            "/a/b/",
            "/a/%2B98912/",
            "/.well-known/jwks.json",
            "/a/..b/c.",
        ] {
            assert!(is_canonical(good), "{good}");
        }
    }

    #[test]
    fn the_final_slash_goes_and_the_query_stays() {
        let mut request = actix_web::test::TestRequest::with_uri("/a/b/?x=1%202").to_srv_request();
        canonicalise(&mut request).unwrap();
        assert_eq!(request.uri().to_string(), "/a/b?x=1%202");
        assert_eq!(request.match_info().as_str(), "/a/b");
        let mut root = actix_web::test::TestRequest::with_uri("/").to_srv_request();
        canonicalise(&mut root).unwrap();
        assert_eq!(root.uri().path(), "/");
    }
}
