//! Look-up by segments: no allocation, no regular expression.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::Route;

/// What a path and method led to.
#[derive(Debug)]
pub enum Found<'a> {
    /// An entry.
    Route(&'a Arc<Route>),
    /// Entries for the path, but none for the method: these methods are routed.
    MethodNotAllowed(BTreeSet<&'static str>),
    /// Nothing.
    None,
}

/// One segment of the tree.
#[derive(Debug, Default)]
pub(super) struct Node {
    literals: HashMap<Box<str>, Node>,
    digits: Option<Box<Node>>,
    segment: Option<Box<Node>>,
    routes: Vec<Arc<Route>>,
}

impl Node {
    pub(super) fn build(routes: &[Arc<Route>]) -> Self {
        let mut root = Self::default();
        for route in routes {
            let mut node = &mut root;
            for segment in route.prefix[1..].split('/') {
                node = match segment {
                    "{digits}" => node.digits.get_or_insert_default(),
                    "{segment}" => node.segment.get_or_insert_default(),
                    literal => node.literals.entry(literal.into()).or_default(),
                };
            }
            node.routes.push(Arc::clone(route));
        }
        root
    }

    /// The deepest node on the path that has an entry for this depth.
    fn deepest<'a>(&'a self, rest: &str, depth: usize) -> Option<(usize, &'a Self)> {
        let own = self.serves(rest).then_some((depth, self));
        let rest = rest.strip_prefix('/').unwrap_or(rest);
        if rest.is_empty() {
            return own;
        }
        let end = rest.find('/').unwrap_or(rest.len());
        let (segment, below) = rest.split_at(end);
        let mut best = None;
        let digits = self
            .digits
            .as_deref()
            .filter(|_| segment.bytes().all(|byte| byte.is_ascii_digit()));
        for child in [self.literals.get(segment), digits, self.segment.as_deref()]
            .into_iter()
            .flatten()
        {
            let found = child.deepest(below, depth + 1);
            if found.as_ref().map_or(0, |(depth, _)| *depth)
                > best.as_ref().map_or(0, |(depth, _)| *depth)
            {
                best = found;
            }
        }
        best.or(own)
    }

    fn serves(&self, rest: &str) -> bool {
        let below = !matches!(rest, "" | "/");
        self.routes.iter().any(|route| !(route.exact && below))
    }

    pub(super) fn find<'a>(&'a self, path: &str, method: &str) -> Found<'a> {
        let Some((_, node)) = self.deepest(path, 0) else {
            return Found::None;
        };
        if let Some(route) = node.routes.iter().find(|route| route.allows(method)) {
            return Found::Route(route);
        }
        let allowed = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
            .into_iter()
            .filter(|method| node.routes.iter().any(|route| route.allows(method)))
            .collect();
        Found::MethodNotAllowed(allowed)
    }
}
