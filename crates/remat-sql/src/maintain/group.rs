//! A group by whose aggregates can be undone: a hidden table with a row of states for each group.
//!
//! Law: the states of a group are sums over its rows, so those of a change are added; a group without rows goes. What is counted
//! once per value has a table of its own, in which a value counts from its first row to its last. An extremum that leaves is
//! computed again from the rows as they are now.

use serde::{Deserialize, Serialize};

use super::{
    Hidden, Turn,
    aggregate::State,
    apply::{Target, at_places},
    delta::Rows,
    hidden_gap,
};

/// What a statement selects that does not touch the public table.
const NO_ROWS: &str = "select array[0, 0, 0, 0, 0]::pg_catalog.int8[]";

/// A group by, and what becomes of its groups.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// For a person.
    pub(super) title: String,
    /// Its rows: columns `k<n>` of the key and `e<n>` of the arguments.
    pub(super) rows: Rows,
    /// For each key column, whether it may be NULL.
    pub(super) nullable: Vec<bool>,
    pub(super) arguments: usize,
    pub(super) states: Vec<State>,
    /// The place of its hidden table; those of the distinct values follow.
    pub(super) hidden: usize,
    /// The public table, where the groups are its rows.
    pub(super) face: Option<Face>,
}

/// The public table as a projection of the groups.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Face {
    pub(super) target: Target,
    /// The columns, over alias `m`.
    pub(super) items: Vec<String>,
    /// The conjuncts of HAVING, over alias `m`.
    pub(super) having: Vec<String>,
}

impl Group {
    /// The hidden tables: that of the groups first.
    pub(super) fn tables(&self) -> Vec<Hidden> {
        let rows = self.rows.now();
        // The offset keeps the server from computing an argument once for every state.
        let from = format!("({rows} offset 0) r");
        let mut tables =
            vec![Hidden { query: self.fill(&from), key: self.key("", self.keys()), indexes: Vec::new() }];
        for argument in self.distinct() {
            let keys = self.list(|n| format!("r.k{n}, "));
            let mut key = self.key("", self.keys());
            key.push("v".into());
            tables.push(Hidden {
                query: format!(
                    "select {keys}r.e{argument} as v, pg_catalog.count(*) as n from {from} \
                     where r.e{argument} is not null group by {keys}r.e{argument}"
                ),
                key,
                indexes: Vec::new(),
            });
        }
        tables
    }

    fn fill(&self, from: &str) -> String {
        let keys = self.list(|n| format!("r.k{n}, "));
        let states: String = (0..self.states.len())
            .map(|n| match &self.states[n] {
                State::Sum(sum) => format!(", {sum} as a{n}"),
                State::Extremum { argument, greatest } => {
                    format!(", {}(r.e{argument}) as a{n}", word(*greatest))
                }
                State::Distinct(argument) => format!(", pg_catalog.count(distinct r.e{argument}) as a{n}"),
            })
            .collect();
        let by = self.grouping("r");
        format!("select {keys}pg_catalog.count(*) as n{states} from {from}{by}")
    }

    /// Adds the change to the groups, and shows them.
    pub(super) fn statement(&self, turn: &Turn) -> String {
        let Some(changes) = self.rows.changes(turn) else {
            return NO_ROWS.into();
        };
        let mut with = vec![self.change(&changes)];
        with.extend(self.distinct().enumerate().flat_map(|(n, argument)| self.values(n, argument)));
        with.push(self.sums());
        with.push(self.found());
        with.extend(self.recomputed());
        with.push(self.moved());
        with.extend(self.write());
        match &self.face {
            Some(face) => face.apply(self, &with),
            None => format!("with {} {NO_ROWS}", with.join(", ")),
        }
    }

    /// The rows that came and went. Where an extremum is kept, a row that only seems to come or go must not count.
    fn change(&self, changes: &str) -> String {
        let extrema = self.states.iter().any(|state| matches!(state, State::Extremum { .. }));
        if !extrema {
            return format!("remat_r as materialized ({changes})");
        }
        let columns: Vec<_> = (0..self.keys())
            .map(|n| format!("r.k{n}"))
            .chain((0..self.arguments).map(|n| format!("r.e{n}")))
            .collect();
        let scales: Vec<_> = self.scaled().map(|n| format!("scale(r.e{n})")).collect();
        let by: Vec<_> = columns.iter().cloned().chain(scales).collect();
        let listed = columns.iter().map(|column| format!(", {column}")).collect::<Vec<_>>().concat();
        let by = if by.is_empty() { String::new() } else { format!(" group by {}", by.join(", ")) };
        format!(
            "remat_r as materialized (select sum(r.w)::pg_catalog.int4 as w{listed} from ({changes}) r{by} having sum(r.w) <> 0)"
        )
    }

    /// Arguments of which rows with equal values may differ in their display scale.
    fn scaled(&self) -> impl Iterator<Item = usize> {
        (0..self.arguments).filter(|n| {
            let scale = format!("scale(r.e{n})");
            self.states.iter().any(|state| matches!(state, State::Sum(sum) if sum.contains(&scale)))
        })
    }

    /// The values of an argument that came and went, and what that makes of the number of values of each group.
    fn values(&self, n: usize, argument: usize) -> Vec<String> {
        let table = hidden_gap(self.hidden + 1 + n);
        let (of_r, of_x, named) = (
            self.list(|k| format!("r.k{k}, ")),
            self.list(|k| format!("x.k{k}, ")),
            self.list(|k| format!("k{k}, ")),
        );
        let on = self.joined("s", "x", "s.v = x.v");
        let by = if self.keys() == 0 {
            String::new()
        } else {
            format!(" group by {}", of_x.trim_end_matches(", "))
        };
        vec![
            format!(
                "remat_x{n} as (select {of_r}r.e{argument} as v, sum(r.w)::pg_catalog.int8 as n from remat_r r \
                 where r.e{argument} is not null group by {of_r}r.e{argument} having sum(r.w) <> 0)"
            ),
            format!(
                "remat_y{n} as materialized (select {of_x}x.v, s.ctid as place, coalesce(s.n, 0) as before, \
                 coalesce(s.n, 0) + x.n as after from remat_x{n} x left join {table} s on {on})"
            ),
            format!(
                "remat_yd{n} as (delete from {table} s using remat_y{n} x where {} and x.after = 0)",
                at_places("s", &format!("remat_y{n}"), "x", "x.after = 0")
            ),
            format!(
                "remat_yu{n} as (update {table} s set n = x.after from remat_y{n} x where {} and x.after <> 0)",
                at_places("s", &format!("remat_y{n}"), "x", "x.after <> 0")
            ),
            format!(
                "remat_yi{n} as (insert into {table} ({named}v, n) select {of_x}x.v, x.after from remat_y{n} x \
                 where x.place is null and x.after <> 0)"
            ),
            format!(
                "remat_z{n} as (select {of_x}sum(case when x.before = 0 and x.after <> 0 then 1 \
                 when x.before <> 0 and x.after = 0 then -1 else 0 end)::pg_catalog.int8 as n from remat_y{n} x{by})"
            ),
        ]
    }

    /// The change of each group's sums, and the extremes of what came and went.
    fn sums(&self) -> String {
        let keys = self.list(|n| format!("r.k{n}, "));
        let mut states = String::new();
        for (n, state) in self.states.iter().enumerate() {
            match state {
                State::Sum(sum) => states.extend([format!(", {sum} as a{n}")]),
                State::Extremum { argument, greatest } => {
                    let word = word(*greatest);
                    states.extend([format!(
                        ", {word}(r.e{argument}) filter (where r.w > 0) as a{n}, \
                         {word}(r.e{argument}) filter (where r.w < 0) as g{n}"
                    )]);
                }
                State::Distinct(_) => {}
            }
        }
        let by = self.grouping("r");
        format!(
            "remat_d as materialized (select {keys}coalesce(sum(r.w), 0)::pg_catalog.int8 as n{states} from remat_r r{by})"
        )
    }

    /// Each changed group with what was kept of it.
    fn found(&self) -> String {
        let table = hidden_gap(self.hidden);
        let keys = self.list(|n| format!("d.k{n}, "));
        let (mut states, mut joins, mut lost) = (String::new(), String::new(), Vec::new());
        for (n, state) in self.states.iter().enumerate() {
            match state {
                State::Sum(_) => states.extend([format!(", coalesce(s.a{n}, 0) + d.a{n} as a{n}")]),
                State::Extremum { greatest, .. } => {
                    let word = if *greatest { "greatest" } else { "least" };
                    let (reaches, below) = if *greatest { (">=", "<") } else { ("<=", ">") };
                    states.extend([format!(", {word}(s.a{n}, d.a{n}) as a{n}")]);
                    lost.push(format!(
                        "(d.g{n} {reaches} s.a{n} and (d.a{n} is null or d.a{n} {below} s.a{n}))"
                    ));
                }
                State::Distinct(argument) => {
                    let x = self.distinct().position(|known| known == *argument).unwrap_or_default();
                    states.extend([format!(", coalesce(s.a{n}, 0) + coalesce(z{x}.n, 0) as a{n}")]);
                }
            }
        }
        for x in 0..self.distinct().count() {
            joins.extend([format!(
                " left join remat_z{x} z{x} on {}",
                self.joined(&format!("z{x}"), "d", "true")
            )]);
        }
        let lost = if lost.is_empty() { "false".into() } else { lost.join(" or ") };
        // All rows together are a group that stays when the last of them leaves.
        let stays =
            if self.keys() == 0 { String::new() } else { " and coalesce(s.n, 0) + d.n > 0".to_owned() };
        format!(
            "remat_f as materialized (select {keys}s.ctid as place, coalesce(s.n, 0) + d.n as n{states}, \
             coalesce({lost}, false){stays} as lost \
             from remat_d d left join {table} s on {}{joins})",
            self.joined("s", "d", "true")
        )
    }

    /// The extrema of the groups that lost one.
    fn recomputed(&self) -> Option<String> {
        let mut extrema = String::new();
        for (n, state) in self.states.iter().enumerate() {
            if let State::Extremum { argument, greatest } = state {
                extrema.extend([format!(", {}(r.e{argument}) as a{n}", word(*greatest))]);
            }
        }
        if extrema.is_empty() {
            return None;
        }
        let keys = self.list(|n| format!("r.k{n}, "));
        let by = self.grouping("r");
        let wanted = if self.keys() == 0 {
            "exists (select from remat_f f where f.lost)".to_owned()
        } else {
            let (ours, theirs) = (self.compared("r"), self.compared("f"));
            format!("({ours}) in (select {theirs} from remat_f f where f.lost)")
        };
        let rows = self.rows.now();
        Some(format!("remat_e as (select {keys}count(*) as n{extrema} from ({rows}) r where {wanted}{by})"))
    }

    /// Each changed group as it is now.
    fn moved(&self) -> String {
        let keys = self.list(|n| format!("f.k{n}, "));
        let mut states = String::new();
        let mut joined = "";
        for (n, state) in self.states.iter().enumerate() {
            if matches!(state, State::Extremum { .. }) {
                states.extend([format!(", case when f.lost then e.a{n} else f.a{n} end as a{n}")]);
                joined = " left join remat_e e on f.lost and ";
            } else {
                states.extend([format!(", f.a{n}")]);
            }
        }
        let on = if joined.is_empty() { String::new() } else { self.joined("e", "f", "true") };
        format!("remat_m as materialized (select {keys}f.place, f.n{states} from remat_f f{joined}{on})")
    }

    fn write(&self) -> [String; 3] {
        let table = hidden_gap(self.hidden);
        let names = self.list(|n| format!("k{n}, "));
        let keys = self.list(|n| format!("m.k{n}, "));
        let states = |text: &dyn Fn(usize) -> String| (0..self.states.len()).map(text).collect::<String>();
        let stays = if self.keys() == 0 { "true" } else { "m.n <> 0" };
        [
            format!(
                "remat_sd as (delete from {table} s using remat_m m where s.ctid = m.place and not ({stays}))"
            ),
            format!(
                "remat_su as (update {table} s set n = m.n{} from remat_m m where {} and {stays})",
                states(&|n| format!(", a{n} = m.a{n}")),
                at_places("s", "remat_m", "m", stays)
            ),
            format!(
                "remat_si as (insert into {table} ({names}n{}) select {keys}m.n{} from remat_m m \
                 where m.place is null and {stays})",
                states(&|n| format!(", a{n}")),
                states(&|n| format!(", m.a{n}"))
            ),
        ]
    }

    pub(super) fn keys(&self) -> usize {
        self.nullable.len()
    }

    /// The arguments of which each value counts once, each argument once.
    fn distinct(&self) -> impl Iterator<Item = usize> {
        let arguments = self.states.iter().filter_map(|state| match state {
            State::Distinct(argument) => Some(*argument),
            _ => None,
        });
        arguments.collect::<std::collections::BTreeSet<_>>().into_iter()
    }

    fn list(&self, text: impl Fn(usize) -> String) -> String {
        (0..self.keys()).map(text).collect()
    }

    fn grouping(&self, alias: &str) -> String {
        let keys: Vec<_> = (0..self.keys()).map(|n| format!("{alias}.k{n}")).collect();
        if keys.is_empty() { String::new() } else { format!(" group by {}", keys.join(", ")) }
    }

    /// The key as expressions of which NULLs are equal, as arrays with a NULL are.
    fn key(&self, alias: &str, keys: usize) -> Vec<String> {
        (0..keys)
            .map(|n| if self.nullable[n] { format!("(array[{alias}k{n}])") } else { format!("{alias}k{n}") })
            .collect()
    }

    fn compared(&self, alias: &str) -> String {
        self.key(&format!("{alias}."), self.keys()).join(", ")
    }

    fn joined(&self, left: &str, right: &str, and: &str) -> String {
        let (left, right) =
            (self.key(&format!("{left}."), self.keys()), self.key(&format!("{right}."), self.keys()));
        let mut on: Vec<_> =
            left.iter().zip(&right).map(|(left, right)| format!("{left} = {right}")).collect();
        if and != "true" || on.is_empty() {
            on.push(and.to_owned());
        }
        on.join(" and ")
    }
}

impl Face {
    fn apply(&self, group: &Group, with: &[String]) -> String {
        let mut conditions = self.having.clone();
        if group.keys() > 0 {
            conditions.push("m.n <> 0".into());
        }
        let filter = if conditions.is_empty() {
            String::new()
        } else {
            format!(" where {}", conditions.join(" and "))
        };
        let rows = format!("select {} from remat_m m{filter}", self.items.join(", "));
        let reach = (group.keys() > 0).then(|| {
            let (columns, values): (Vec<_>, Vec<_>) = self
                .target
                .key()
                .iter()
                .map(|&place| (format!("t.{}", self.target.column(place)), &*self.items[place]))
                .unzip();
            format!("({}) in (select {} from remat_m m)", columns.join(", "), values.join(", "))
        });
        self.target.apply(with, &rows, reach.as_deref())
    }
}

fn word(greatest: bool) -> &'static str {
    if greatest { "max" } else { "min" }
}
