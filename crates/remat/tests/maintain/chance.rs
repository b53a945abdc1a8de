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
            "item_id" => self.number(10),
            "score" => self.number(10),
            "mark" => self.number(4),
            "cents" => self.number(200),
            "price" => format!("{}.5", self.below(9)),
            "kind" => self.one(&["'book'", "'pen'", "'cup'", "'hat'"]).into(),
            "country" => self.one(&["'de'", "'fr'", "'at'", "null"]).into(),
            "active" => self.one(&["true", "false"]).into(),
            "name" => format!("'name {}'", self.below(6)),
            "note" => self.one(&["'a'", "'b'", "'c'", "null"]).into(),
            "tags" => self.one(&["'{x}'", "'{x,y}'", "'{y,z,z}'", "'{}'"]).into(),
            "sold_at" | "made_at" => format!("now() + {} * interval '1 hour'", self.below(140) as i64 - 70),
            "sold_on" => format!("current_date + {}", self.below(14) as i64 - 7),
            other => panic!("no values for {other}"),
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
                    "update shop.{table} set id = id + 1000 where id = {from}; update shop.{table} set id = {to} where id > 1000 and not exists (select from shop.{table} where id = {to})"
                )
            }
            _ => format!("delete from shop.{table} where {key} between {from} and {to}"),
        }
    }
}
