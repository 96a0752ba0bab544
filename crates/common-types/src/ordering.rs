//! The `ordering` query parameter: `?ordering=-created_at,title`.

/// One term of an ordering.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Term {
    /// The field, one of the allowed list.
    pub field: &'static str,
    /// True for `-field`.
    pub descending: bool,
}

/// The terms of `text` that are in `allowed`, in order. Unknown fields are dropped, as Django REST Framework does; an
/// empty answer means the route's default ordering.
#[must_use]
pub fn parse(text: &str, allowed: &[&'static str]) -> Vec<Term> {
    let mut terms: Vec<Term> = Vec::new();
    for part in text.split(',').map(str::trim) {
        let (descending, name) = match part.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, part),
        };
        if let Some(field) = allowed.iter().find(|f| **f == name)
            && !terms.iter().any(|t| t.field == *field)
        {
            terms.push(Term { field, descending });
        }
    }
    terms
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_known_fields_once_and_in_order() {
        let allowed = ["title", "created_at"];
        assert_eq!(
            parse("-created_at, title,password,created_at", &allowed),
            [
                Term {
                    field: "created_at",
                    descending: true
                },
                Term {
                    field: "title",
                    descending: false
                }
            ]
        );
        assert!(parse("", &allowed).is_empty());
        assert!(parse("--title", &allowed).is_empty());
    }
}
