//! Random changes, the same for the same seed.

/// A source of numbers.
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below this.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % end
    }

    pub(crate) fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[usize::try_from(self.below(of.len() as u64)).unwrap()]
    }

    fn number(&mut self, end: u64) -> String {
        (self.below(end) + 1).to_string()
    }

    /// A value for a column; NULL is among the values where the column may be NULL.
    fn value(&mut self, column: &str) -> String {
        let null = self.below(5) == 0;
        match column {
            "team_id" | "region" | "item_id" | "marks.user_id" | "score" | "mark" | "price" if null => {
                "null".into()
            }
            "region" => self.number(3),
            "team_id" => self.number(5),
            "user_id" | "marks.user_id" => self.number(14),
            "item_id" | "score" => self.number(10),
            "mark" => self.number(4),
            "cents" => self.number(200),
            "price" => format!("{}.5", self.below(9)),
            "kind" => self.one(&["'book'", "'pen'", "'cup'", "'hat'"]).into(),
            "country" => self.one(&["'de'", "'fr'", "'at'", "null"]).into(),
            "active" => self.one(&["true", "false"]).into(),
            "name" => format!("'name {}'", self.below(6)),
            "note" => self.one(&["'a'", "'b'", "'c'", "null"]).into(),
            "tags" => self.one(&["'{x}'", "'{x,y}'", "'{y,z,z}'", "'{}'"]).into(),
            "sold_at" | "made_at" => format!("now() + ({} - 70) * interval '1 hour'", self.below(140)),
            "sold_on" => format!("current_date + {} - 7", self.below(14)),
            other => panic!("no values for {other}"),
        }
    }

    /// A statement that changes one of the tables of TPC-H.
    pub(crate) fn tpch_statement(&mut self) -> String {
        let changes = [
            "lineitem set l_quantity = l_quantity + 40, l_extendedprice = l_extendedprice + 7 where l_orderkey",
            "lineitem set l_shipdate = l_shipdate + 90, l_receiptdate = l_receiptdate + 91 where l_orderkey",
            "lineitem set l_returnflag = 'R', l_linestatus = 'F', l_shipmode = 'MAIL' where l_orderkey",
            "lineitem set l_suppkey = l_suppkey % 12 + 1 where l_orderkey",
            "orders set o_custkey = o_custkey % 30 + 1, o_orderstatus = 'F' where o_orderkey",
            "orders set o_orderdate = o_orderdate - 200, o_orderpriority = '1-URGENT' where o_orderkey",
            "customer set c_acctbal = c_acctbal + 500, c_mktsegment = 'BUILDING' where c_custkey",
            "customer set c_nationkey = (c_nationkey + 3) % 25 where c_custkey",
            "supplier set s_comment = 'Customer Complaints', s_nationkey = (s_nationkey + 7) % 25 where s_suppkey",
            "part set p_brand = 'Brand#23', p_container = 'MED BOX', p_size = 15 where p_partkey",
            "partsupp set ps_supplycost = ps_supplycost / 2, ps_availqty = ps_availqty + 100 where ps_partkey",
            "nation set n_regionkey = (n_regionkey + 1) % 5 where n_nationkey",
        ];
        let keys = [150, 150, 150, 150, 150, 150, 30, 30, 12, 20, 20, 24];
        let place = usize::try_from(self.below(12)).unwrap();
        let from = self.below(keys[place]) + 1;
        match self.below(8) {
            0 => format!("delete from tpch.lineitem where l_orderkey = {from}"),
            1 => format!("delete from tpch.orders where o_orderkey = {from}"),
            2 => format!(
                "insert into tpch.orders select o_orderkey + 150, (o_custkey + 3) % 30 + 1, o_orderstatus, o_totalprice, o_orderdate, \
                 o_orderpriority, o_clerk, 0, '' from tpch.orders where o_orderkey = {from} on conflict do nothing; \
                 insert into tpch.lineitem select l_orderkey + 150, l_partkey % 20 + 1, l_suppkey, l_linenumber, l_quantity, l_extendedprice, \
                 l_discount, l_tax, l_returnflag, l_linestatus, l_shipdate, l_commitdate, l_receiptdate, l_shipinstruct, l_shipmode, '' \
                 from tpch.lineitem where l_orderkey = {from} on conflict do nothing"
            ),
            _ => format!("update tpch.{} between {from} and {}", changes[place], from + 2),
        }
    }

    /// A statement that changes one of the tables of the shop.
    pub(crate) fn statement(&mut self) -> String {
        let tables: [(&str, u64, &[&str]); 6] = [
            ("teams", 5, &["name", "region"]),
            ("users", 14, &["team_id", "name", "country", "active", "score"]),
            ("items", 10, &["kind", "price"]),
            ("sales", 70, &["user_id", "item_id", "cents", "note", "tags", "sold_at", "sold_on"]),
            ("refunds", 45, &["cents", "made_at"]),
            ("marks", 14, &["marks.user_id", "item_id", "mark"]),
        ];
        let weighted = [0, 1, 1, 2, 3, 3, 3, 4, 4, 5, 5];
        let (table, ids, columns) = tables[weighted[usize::try_from(self.below(11)).unwrap()]];
        let names: Vec<&str> = columns.iter().map(|name| name.trim_start_matches("marks.")).collect();
        let key = match table {
            "refunds" => "sale_id",
            "marks" => "user_id",
            _ => "id",
        };
        let from = self.below(ids) + 1;
        let to = from + self.below(3);
        if self.below(6) == 0 {
            return self.at_once();
        }
        match self.below(10) {
            0..4 => {
                let values: Vec<String> = columns.iter().map(|column| self.value(column)).collect();
                let (more, own) = match table {
                    "refunds" => ("sale_id, seq, ", format!("{from}, {}, ", self.number(30))),
                    "marks" => ("", String::new()),
                    _ => ("id, ", format!("{from}, ")),
                };
                let (names, values) = (names.join(", "), values.join(", "));
                format!(
                    "insert into shop.{table} ({more}{names}) values ({own}{values}) on conflict do nothing"
                )
            }
            4..7 => {
                let place = usize::try_from(self.below(columns.len() as u64)).unwrap();
                let value = self.value(columns[place]);
                format!(
                    "update shop.{table} set {} = {value} where {key} between {from} and {to}",
                    names[place]
                )
            }
            7 if table != "marks" && table != "refunds" => {
                format!(
                    "update shop.{table} set id = {to} where id = {from} and not exists (select from shop.{table} where id = {to})"
                )
            }
            _ => format!("delete from shop.{table} where {key} between {from} and {to}"),
        }
    }

    /// Changes of rows and of their partners together, so that neither is left as it was.
    fn at_once(&mut self) -> String {
        let (k, other) = (self.number(12), self.number(12));
        let kind = self.value("kind");
        match self.below(7) {
            0 => format!(
                "update shop.items set kind = {kind} where id = {k}; delete from shop.sales where item_id = {k}"
            ),
            1 => format!("delete from shop.users where id = {k}; delete from shop.sales where user_id = {k}"),
            2 => format!(
                "update shop.users set team_id = {other} where id = {k}; update shop.sales set user_id = {other} where user_id = {k}"
            ),
            3 => format!(
                "delete from shop.refunds where sale_id in (select id from shop.sales where user_id = {k}); delete from shop.sales where user_id = {k}"
            ),
            4 => format!(
                "delete from shop.teams where id = {k}; update shop.users set team_id = {other} where team_id = {k}"
            ),
            5 => format!(
                "update shop.sales set user_id = {other}, item_id = {k} where user_id = {k}; delete from shop.items where id = {other}"
            ),
            _ => format!(
                "delete from shop.marks where user_id = {k}; delete from shop.users where id = {k}; delete from shop.items where kind = {kind}"
            ),
        }
    }
}
