//! Calls of functions in the database, prepared once per connection. diesel's `sql_query` is parsed and planned anew at
//! every use, which costs a second round trip.

use std::marker::PhantomData;

use diesel::pg::Pg;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::result::QueryResult;

/// A call that answers rows of the SQL types `Row`.
pub(crate) struct Call<Args, Row> {
    head: &'static str,
    args: Args,
    row: PhantomData<fn() -> Row>,
}

/// `head` is all before the arguments, such as `SELECT outcome FROM issue_code`; `args` a tuple of bound values.
pub(crate) fn call<Row, Args>(head: &'static str, args: Args) -> Call<Args, Row> {
    Call {
        head,
        args,
        row: PhantomData,
    }
}

impl<Args, Row> QueryId for Call<Args, Row> {
    type QueryId = ();
    // Statements are told apart by their text.
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<Args, Row> Query for Call<Args, Row> {
    type SqlType = Row;
}

impl<Args: QueryFragment<Pg>, Row> QueryFragment<Pg> for Call<Args, Row> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(self.head);
        out.push_sql("(");
        self.args.walk_ast(out.reborrow())?;
        out.push_sql(")");
        Ok(())
    }
}
