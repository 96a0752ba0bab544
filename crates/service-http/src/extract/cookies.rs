use actix_web::HttpRequest;

/// The value of a cookie, when it was sent exactly once; two of one name are a trick to shadow ours.
pub fn cookie(request: &HttpRequest, name: &str) -> Option<String> {
    let cookies = request.cookies().ok()?;
    let mut found = cookies.iter().filter(|cookie| cookie.name() == name);
    let value = found.next()?.value().to_owned();
    found.next().is_none().then_some(value)
}
