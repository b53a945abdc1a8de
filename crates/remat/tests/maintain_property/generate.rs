//! Which cases there are, and how often.
//!
//! Law: whatever is simpler stands first, for a case that fails is made smaller in that direction.

use proptest::{
    array::uniform7,
    collection::vec,
    option::weighted,
    prelude::{BoxedStrategy, Just, Strategy, any, prop_oneof},
    sample::select,
    strategy::Union,
};

use super::case::{
    Agg, Body, Case, Expr, Field, From, Function, GroupKey, Inner, Item, Join, Pick, Pred, Row, Rows, Select,
    Set, Shape, Step, Table, TableKey, Top, Which, Window, Work,
};
use super::kind::Kind;

pub(crate) fn case() -> impl Strategy<Value = Case> {
    let tables = prop_oneof![2 => vec(table(), 1..=1), 3 => vec(table(), 1..=2), 1 => vec(table(), 1..=3)];
    let ctes = prop_oneof![3 => vec(body(1), 0..=0), 1 => vec(body(1), 0..=2)];
    let names = prop_oneof![4 => Just(0_u8), 1 => 1_u8..4];
    // What costs most goes first when a case is made smaller.
    (vec(step(), 1..=6), ctes, body(2), tables, any::<bool>(), names)
        .prop_map(|(steps, ctes, body, tables, zone, names)| Case { zone, names, tables, ctes, body, steps })
}

fn pick() -> impl Strategy<Value = Pick> {
    0_u8..24
}

fn gene() -> impl Strategy<Value = u8> {
    any::<u8>()
}

fn rarely() -> impl Strategy<Value = bool> {
    prop_oneof![4 => Just(false), 1 => Just(true)]
}

// Tables.

fn table() -> impl Strategy<Value = Table> {
    let key = prop_oneof![4 => Just(TableKey::Id), 1 => Just(TableKey::Pair), 2 => Just(TableKey::None)];
    (key, vec(field(), 1..=4), vec(row(), 0..=12)).prop_map(|(key, columns, rows)| Table {
        key,
        columns,
        rows,
    })
}

fn field() -> impl Strategy<Value = Field> {
    let kind = prop_oneof![
        6 => Just(Kind::Int),
        2 => Just(Kind::Bigint),
        2 => Just(Kind::Text),
        1 => Just(Kind::Bool),
        3 => Just(Kind::Numeric),
        1 => Just(Kind::Money),
        2 => Just(Kind::Float),
        4 => Just(Kind::Stamp),
        1 => Just(Kind::Date),
        2 => select(vec![Kind::TextC, Kind::TextIcu, Kind::TextNd, Kind::TextNd, Kind::Json]),
    ];
    (kind, any::<bool>()).prop_map(|(kind, nullable)| Field { kind, nullable })
}

fn row() -> impl Strategy<Value = Row> {
    uniform7(gene())
}

// Work.

fn step() -> impl Strategy<Value = Step> {
    (vec(work(), 0..=6), pick()).prop_map(|(work, advance)| Step { work, advance })
}

fn work() -> impl Strategy<Value = Work> {
    let undone = vec(plain_work(), 1..=2).prop_map(Work::Undone);
    prop_oneof![12 => plain_work(), 1 => undone]
}

fn plain_work() -> impl Strategy<Value = Work> {
    prop_oneof![
        8 => (pick(), vec(row(), 1..=3)).prop_map(|(table, rows)| Work::Insert { table, rows }),
        4 => (pick(), which()).prop_map(|(table, which)| Work::Delete { table, which }),
        8 => (pick(), which(), pick(), gene())
            .prop_map(|(table, which, column, value)| Work::Update { table, which, column, value }),
        2 => (pick(), 0_u8..12, 0_u8..12).prop_map(|(table, from, to)| Work::UpdateKey { table, from, to }),
        1 => pick().prop_map(|table| Work::Truncate { table }),
    ]
}

fn which() -> impl Strategy<Value = Which> {
    prop_oneof![
        4 => (0_u8..12).prop_map(Which::Id),
        4 => (pick(), gene()).prop_map(|(column, value)| Which::Column(column, value)),
        1 => Just(Which::All),
    ]
}

// Queries.

fn body(depth: u32) -> BoxedStrategy<Body> {
    let plain = selection(depth).prop_map(|select| Body::Select(Box::new(select)));
    prop_oneof![7 => plain, 1 => set(depth).prop_map(|set| Body::Set(Box::new(set)))].boxed()
}

fn selection(depth: u32) -> impl Strategy<Value = Select> {
    let top = (pick(), any::<bool>(), pick(), pick()).prop_map(|(by, descending, limit, offset)| Top {
        by,
        descending,
        limit,
        offset,
    });
    (from(depth, 3), shape(), weighted(0.12, top)).prop_map(|(from, shape, top)| Select { from, shape, top })
}

fn set(depth: u32) -> impl Strategy<Value = Set> {
    (
        prop_oneof![4 => Just(0_u8), 1 => 1_u8..3],
        any::<bool>(),
        vec(from(depth, 2), 2..=3),
        vec(pick(), 1..=3),
    )
        .prop_map(|(operator, all, operands, picks)| Set { operator, all, operands, picks })
}

fn from(depth: u32, most: usize) -> BoxedStrategy<From> {
    let filter = prop_oneof![4 => vec(pred(1), 0..=1), 1 => vec(pred(1), 0..=2)];
    (vec(item(depth), 1..=most), rarely(), filter)
        .prop_map(|(items, comma, filter)| From { items, comma, filter })
        .boxed()
}

fn item(depth: u32) -> BoxedStrategy<Item> {
    let join = prop_oneof![
        6 => Just(Join::Inner),
        4 => Just(Join::Left),
        1 => Just(Join::Right),
        1 => Just(Join::Full),
        1 => Just(Join::Cross),
    ];
    (rows(depth), join, pick(), pick(), weighted(0.15, simple_pred()))
        .prop_map(|(rows, join, left, right, extra)| Item { rows, join, left, right, extra })
        .boxed()
}

fn rows(depth: u32) -> BoxedStrategy<Rows> {
    let named = pick().prop_map(Rows::Named);
    let lateral =
        (inner(), agg(), rarely()).prop_map(|(inner, agg, first)| Rows::Lateral { inner, agg, first });
    if depth == 0 {
        return prop_oneof![9 => named, 1 => lateral].boxed();
    }
    prop_oneof![9 => named, 1 => lateral, 2 => body(depth - 1).prop_map(Rows::Sub)].boxed()
}

fn shape() -> impl Strategy<Value = Shape> {
    let windows = prop_oneof![5 => Just(Vec::new()), 1 => vec(window(), 1..=1)];
    let plain = (rarely(), vec(expr(), 0..=3), windows).prop_map(|(bare, items, windows)| Shape::Rows {
        keyed: !bare,
        items,
        windows,
    });
    let having = (agg(), pick(), gene());
    let group = (vec(group_key(), 0..=2), vec(agg(), 0..=3), weighted(0.2, having), weighted(0.06, pick()))
        .prop_map(|(keys, aggs, having, rank)| Shape::Group { keys, aggs, having, rank });
    let distinct = vec(expr(), 1..=3).prop_map(|items| Shape::Distinct { items });
    let on = (vec(pick(), 1..=2), pick(), any::<bool>(), vec(expr(), 0..=2))
        .prop_map(|(on, order, descending, items)| Shape::DistinctOn { on, order, descending, items });
    prop_oneof![6 => plain, 8 => group, 1 => distinct, 1 => on]
}

fn group_key() -> impl Strategy<Value = GroupKey> {
    (pick(), rarely(), 0_u8..3).prop_map(|(column, trunc, form)| GroupKey { column, trunc, form })
}

fn window() -> impl Strategy<Value = Window> {
    (pick(), pick(), vec(pick(), 0..=2), pick(), any::<bool>(), pick()).prop_map(
        |(function, of, partition, order, descending, frame)| Window {
            function,
            of,
            partition,
            order,
            descending,
            frame,
        },
    )
}

fn expr() -> BoxedStrategy<Expr> {
    prop_oneof![
        8 => pick().prop_map(Expr::Column),
        2 => (pick(), gene()).prop_map(|(column, value)| Expr::Plus(column, value)),
        2 => (pick(), pick()).prop_map(|(left, right)| Expr::Times(left, right)),
        1 => (pick(), gene()).prop_map(|(column, value)| Expr::Coalesce(column, value)),
        1 => pick().prop_map(Expr::Trunc),
        1 => pick().prop_map(Expr::Text),
        1 => (simple_pred(), pick(), pick()).prop_map(|(pred, left, right)| Expr::Case(Box::new(pred), left, right)),
        1 => (agg(), inner()).prop_map(|(agg, inner)| Expr::Scalar(Box::new(agg), inner)),
    ]
    .boxed()
}

/// An expression over the columns of one row.
fn plain_expr() -> BoxedStrategy<Expr> {
    prop_oneof![
        8 => pick().prop_map(Expr::Column),
        2 => (pick(), gene()).prop_map(|(column, value)| Expr::Plus(column, value)),
        2 => (pick(), pick()).prop_map(|(left, right)| Expr::Times(left, right)),
        1 => (pick(), gene()).prop_map(|(column, value)| Expr::Coalesce(column, value)),
        1 => (simple_pred(), pick(), pick()).prop_map(|(pred, left, right)| Expr::Case(Box::new(pred), left, right)),
    ]
    .boxed()
}

fn agg() -> BoxedStrategy<Agg> {
    let function = Union::new_weighted(
        [
            (6, Function::CountAll),
            (3, Function::Count),
            (6, Function::Sum),
            (3, Function::Avg),
            (3, Function::Min),
            (3, Function::Max),
            (2, Function::CountDistinct),
            (1, Function::SumDistinct),
            (1, Function::StringAgg),
            (1, Function::ArrayAgg),
            (1, Function::PercentileCont),
            (1, Function::PercentileDisc),
            (1, Function::Mode),
            (1, Function::Stddev),
            (1, Function::Corr),
            (1, Function::BoolAnd),
        ]
        .map(|(weight, function)| (weight, Just(function)))
        .to_vec(),
    );
    (
        function,
        plain_expr(),
        pick(),
        weighted(0.15, simple_pred()),
        prop_oneof![6 => Just(0_u8), 1 => 1_u8..4],
    )
        .prop_map(|(function, of, with, filter, dress)| Agg {
            function,
            of,
            with,
            filter: filter.map(Box::new),
            dress,
        })
        .boxed()
}

/// A condition on the columns of one row.
fn simple_pred() -> BoxedStrategy<Pred> {
    prop_oneof![
        6 => (pick(), pick(), gene())
            .prop_map(|(column, operator, value)| Pred::Compare { column, operator, value }),
        2 => (pick(), any::<bool>()).prop_map(|(column, not)| Pred::IsNull { column, not }),
        2 => (pick(), pick(), pick()).prop_map(|(left, operator, right)| Pred::Columns { left, operator, right }),
        1 => (pick(), [gene(), gene()]).prop_map(|(column, values)| Pred::Among { column, values }),
    ]
    .boxed()
}

fn pred(depth: u32) -> BoxedStrategy<Pred> {
    let recent = (pick(), pick(), pick(), any::<bool>())
        .prop_map(|(column, operator, bound, turned)| Pred::Recent { column, operator, bound, turned });
    if depth == 0 {
        return prop_oneof![4 => simple_pred(), 1 => recent].boxed();
    }
    let below = || pred(depth - 1).prop_map(Box::new);
    prop_oneof![
        6 => simple_pred(),
        4 => recent,
        1 => below().prop_map(Pred::Not),
        1 => (below(), below()).prop_map(|(left, right)| Pred::Or(left, right)),
        1 => (any::<bool>(), inner()).prop_map(|(not, inner)| Pred::Exists { not, inner }),
        1 => (any::<bool>(), pick(), inner(), pick())
            .prop_map(|(not, column, inner, picked)| Pred::InRows { not, column, inner, picked }),
        1 => (pick(), pick(), agg(), inner()).prop_map(|(column, operator, agg, inner)| Pred::Beside {
            column,
            operator,
            agg: Box::new(agg),
            inner,
        }),
    ]
    .boxed()
}

fn inner() -> BoxedStrategy<Inner> {
    let correlated = prop_oneof![1 => Just(None), 4 => (pick(), pick()).prop_map(Some)];
    (pick(), correlated, vec(pred(0), 0..=1))
        .prop_map(|(table, correlated, filter)| Inner { table, correlated, filter })
        .boxed()
}
