//! Statements over `shop.a`, `shop.b` and `shop.c`, made by chance: many of them right, others nearly so.

/// Numbers that follow from a seed.
pub(super) struct Chance(u64);

impl Chance {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `end`.
    pub(super) fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % end as u64) as usize
    }

    /// True in so many of a hundred cases.
    fn in_hundred(&mut self, cases: usize) -> bool {
        self.below(100) < cases
    }

    fn one<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.below(of.len())]
    }

    pub(super) fn shuffle<T>(&mut self, list: &mut [T]) {
        for at in (1..list.len()).rev() {
            let other = self.below(at + 1);
            list.swap(at, other);
        }
    }
}

/// One statement and what its contract says.
#[derive(Debug)]
pub(super) struct Statement {
    pub(super) sql: String,
    pub(super) columns: Vec<String>,
    pub(super) recompute: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Day,
    Text,
    Int,
    Double,
    /// What nothing is made of: values of other types.
    Other,
}

/// A column that an expression can name.
#[derive(Debug, Clone)]
struct Named {
    name: String,
    kind: Kind,
}

/// What stands in FROM: its text, and its columns with the alias before them.
struct Source {
    sql: String,
    columns: Vec<Named>,
}

struct Select {
    sql: String,
    columns: Vec<Named>,
}

struct Writer<'a> {
    chance: &'a mut Chance,
    aliases: usize,
    queries: Vec<String>,
    recompute: Vec<String>,
}

pub(super) fn statement(chance: &mut Chance) -> Statement {
    let mut recompute = vec!["day".to_owned()];
    if chance.in_hundred(25) {
        recompute.push("id".to_owned());
    }
    let depth = 1 + chance.below(2);
    let mut writer = Writer {
        chance,
        aliases: 0,
        queries: Vec::new(),
        recompute,
    };
    let select = writer.select(depth);
    let with = match writer.queries.is_empty() {
        true => String::new(),
        false => format!("WITH {} ", writer.queries.join(", ")),
    };
    Statement {
        sql: format!("{with}{}", select.sql),
        columns: select.columns.iter().map(|column| column.name.clone()).collect(),
        recompute: writer.recompute,
    }
}

impl Writer<'_> {
    fn alias(&mut self) -> String {
        self.aliases += 1;
        format!("r{}", self.aliases)
    }

    fn source(&mut self, depth: usize) -> Source {
        let alias = self.alias();
        if depth == 0 || self.chance.in_hundred(30) {
            let table = self.chance.one(&["a", "b", "c"]);
            let columns = [
                ("day", Kind::Day),
                ("id", Kind::Text),
                ("t", Kind::Int),
                ("n", Kind::Int),
                ("x", Kind::Double),
                ("s", Kind::Text),
            ];
            let columns = columns.map(|(name, kind)| Named {
                name: format!("{alias}.{name}"),
                kind,
            });
            return Source {
                sql: format!("shop.{table} AS {alias}"),
                columns: columns.to_vec(),
            };
        }
        let select = self.select(depth - 1);
        let mut names: Vec<String> = select.columns.iter().map(|column| column.name.clone()).collect();
        let mut list = String::new();
        if self.chance.in_hundred(30) {
            if self.chance.in_hundred(40) {
                // Names that belong to other columns.
                self.chance.shuffle(&mut names);
            } else {
                names = (0..names.len()).map(|number| format!("m{number}")).collect();
            }
            list = format!("({})", names.join(", "));
        }
        let columns = names.iter().zip(&select.columns).map(|(name, column)| Named {
            name: format!("{alias}.{name}"),
            kind: column.kind,
        });
        let columns = columns.collect();
        let sql = if self.chance.in_hundred(40) {
            let query = format!("w{}", self.aliases);
            self.queries.push(format!("{query}{list} AS ({})", select.sql));
            format!("{query} AS {alias}")
        } else {
            format!("({}) AS {alias}{list}", select.sql)
        };
        Source { sql, columns }
    }

    fn select(&mut self, depth: usize) -> Select {
        match self.chance.below(12) {
            0..=1 => self.plain(depth, ""),
            2 => self.plain(depth, "DISTINCT "),
            3..=5 => self.grouped(depth),
            6..=8 => self.windowed(depth),
            9..=10 => self.joined(depth),
            _ => self.union(depth),
        }
    }

    /// A column that is a `recompute` column, mostly.
    fn part(&mut self, columns: &[Named], name: &str) -> Option<String> {
        let kind = if name == "day" { Kind::Day } else { Kind::Text };
        let fitting: Vec<&str> = columns
            .iter()
            .filter(|column| column.kind == kind)
            .map(|column| column.name.as_str())
            .collect();
        let same: Vec<&str> = fitting
            .iter()
            .copied()
            .filter(|one| one.ends_with(&format!(".{name}")))
            .collect();
        let from = if same.is_empty() || self.chance.in_hundred(12) {
            &fitting
        } else {
            &same
        };
        (!from.is_empty()).then(|| self.chance.one(from).to_owned())
    }

    /// Expressions of the `recompute` columns, or of something else that can be taken for them.
    fn parts(&mut self, columns: &[Named]) -> Vec<(String, String)> {
        let mut parts = Vec::new();
        for name in self.recompute.clone() {
            let missing = if name == "day" {
                "CAST('2024-10-04' AS DATE)"
            } else {
                "'a'"
            };
            let found = self.part(columns, &name).unwrap_or_else(|| missing.to_owned());
            parts.push((found, name));
        }
        parts
    }

    fn column(&mut self, columns: &[Named], kind: Kind) -> Option<String> {
        let fitting: Vec<&str> = columns
            .iter()
            .filter(|column| column.kind == kind)
            .map(|column| column.name.as_str())
            .collect();
        (!fitting.is_empty()).then(|| self.chance.one(&fitting).to_owned())
    }

    fn condition(&mut self, columns: &[Named]) -> String {
        let number = self.column(columns, Kind::Int);
        match number {
            Some(number) if self.chance.in_hundred(25) => {
                format!(" WHERE {number} > {}", self.chance.below(3))
            }
            _ if self.chance.in_hundred(10) => {
                let column = columns[self.chance.below(columns.len())].name.clone();
                format!(" WHERE {column} IS NOT NULL")
            }
            _ => String::new(),
        }
    }

    /// The list of a SELECT: the parts under their names, then the others.
    fn list(&mut self, parts: Vec<(String, String)>, others: Vec<(String, Kind)>) -> Select {
        let named = |name: &String| match name.as_str() {
            "day" => Kind::Day,
            _ => Kind::Text,
        };
        let mut columns: Vec<Named> = parts
            .iter()
            .map(|(_, name)| Named {
                name: name.clone(),
                kind: named(name),
            })
            .collect();
        let mut items: Vec<String> = parts
            .iter()
            .map(|(expr, name)| format!("{expr} AS {name}"))
            .collect();
        for (number, (expr, kind)) in others.into_iter().enumerate() {
            items.push(format!("{expr} AS c{number}"));
            columns.push(Named {
                name: format!("c{number}"),
                kind,
            });
        }
        Select {
            sql: items.join(", "),
            columns,
        }
    }

    fn some(&mut self, columns: &[Named], most: usize) -> Vec<(String, Kind)> {
        let many = 1 + self.chance.below(most);
        (0..many)
            .map(|_| {
                let column = &columns[self.chance.below(columns.len())];
                (column.name.clone(), column.kind)
            })
            .collect()
    }

    fn plain(&mut self, depth: usize, word: &str) -> Select {
        let source = self.source(depth);
        let condition = self.condition(&source.columns);
        let parts = self.parts(&source.columns);
        let mut others = self.some(&source.columns, 4);
        if let Some(number) = self.column(&source.columns, Kind::Int) {
            others.push(match self.chance.below(3) {
                0 => (format!("{number} * 0.1"), Kind::Double),
                1 => (format!("CAST({number} AS DOUBLE)"), Kind::Double),
                _ => (format!("{number} + 1"), Kind::Int),
            });
        }
        let list = self.list(parts, others);
        Select {
            sql: format!("SELECT {word}{} FROM {}{condition}", list.sql, source.sql),
            ..list
        }
    }

    /// Columns to order by; sometimes enough of them.
    fn order(&mut self, columns: &[Named]) -> String {
        let mut names: Vec<String> = columns
            .iter()
            .filter(|column| column.kind != Kind::Other)
            .map(|column| column.name.clone())
            .collect();
        self.chance.shuffle(&mut names);
        let few = 1 + self.chance.below(3);
        let many = if self.chance.in_hundred(25) {
            names.len()
        } else {
            few
        };
        names.truncate(many.max(1));
        let order = names
            .iter()
            .map(|name| format!("{name}{}", self.chance.one(&["", " DESC", " NULLS FIRST"])));
        order.collect::<Vec<_>>().join(", ")
    }

    fn aggregate(&mut self, columns: &[Named]) -> (String, Kind) {
        let number = self.column(columns, Kind::Int).unwrap_or_else(|| "1".to_owned());
        let double = self
            .column(columns, Kind::Double)
            .unwrap_or_else(|| format!("{number} * 0.1"));
        let text = self
            .column(columns, Kind::Text)
            .unwrap_or_else(|| "'k'".to_owned());
        let order = match self.chance.in_hundred(30) {
            true => format!("{}, {text}, {number}", self.order(columns)),
            false => self.order(columns),
        };
        match self.chance.below(19) {
            0 => ("count(*)".to_owned(), Kind::Int),
            1 => (format!("count(DISTINCT {text})"), Kind::Int),
            2 | 3 => (format!("sum({number})"), Kind::Int),
            4 => (format!("sum({number} * 0.1)"), Kind::Double),
            5 => (format!("sum({number} / 3.0)"), Kind::Double),
            6 => (format!("sum({double})"), Kind::Double),
            7 => (format!("sum(CAST({double} AS DECIMAL(30, 4)))"), Kind::Other),
            8 => (format!("min({number})"), Kind::Int),
            9 => (format!("max({double})"), Kind::Double),
            10 => (format!("max({text}) FILTER (WHERE {number} > 1)"), Kind::Text),
            11 => (format!("avg({number})"), Kind::Double),
            12 => (format!("first_value({text} ORDER BY {order})"), Kind::Text),
            13 => (format!("last_value({number} ORDER BY {order})"), Kind::Int),
            14 => (
                format!("array_to_string(array_agg({text} ORDER BY {order}), ',')"),
                Kind::Text,
            ),
            15 => (format!("string_agg({text}, ',' ORDER BY {text})"), Kind::Text),
            16 => (format!("string_agg({text}, ',' ORDER BY {order})"), Kind::Text),
            17 => (format!("bit_xor({number})"), Kind::Int),
            _ => (format!("median({number})"), Kind::Int),
        }
    }

    fn grouped(&mut self, depth: usize) -> Select {
        let source = self.source(depth);
        let condition = self.condition(&source.columns);
        let parts = self.parts(&source.columns);
        let mut by: Vec<String> = Vec::new();
        for (expr, _) in &parts {
            if !self.chance.in_hundred(6) {
                by.push(expr.clone());
            }
        }
        let mut others = Vec::new();
        if self.chance.in_hundred(50) {
            let (name, kind) = self.some(&source.columns, 1).remove(0);
            by.push(name.clone());
            others.push((name, kind));
        }
        for _ in 0..1 + self.chance.below(2) {
            others.push(self.aggregate(&source.columns));
        }
        let list = self.list(parts, others);
        let by = match by.is_empty() {
            true => String::new(),
            false => format!(" GROUP BY {}", by.join(", ")),
        };
        Select {
            sql: format!("SELECT {} FROM {}{condition}{by}", list.sql, source.sql),
            ..list
        }
    }

    fn window(&mut self, columns: &[Named], parts: &[(String, String)]) -> (String, Kind) {
        let mut by: Vec<String> = Vec::new();
        for (expr, _) in parts {
            if !self.chance.in_hundred(6) {
                by.push(expr.clone());
            }
        }
        if self.chance.in_hundred(25) {
            by.push(self.some(columns, 1).remove(0).0);
        }
        let by = match by.is_empty() {
            true => String::new(),
            false => format!("PARTITION BY {} ", by.join(", ")),
        };
        let order = self.order(columns);
        let number = self.column(columns, Kind::Int).unwrap_or_else(|| "1".to_owned());
        let text = self
            .column(columns, Kind::Text)
            .unwrap_or_else(|| "'k'".to_owned());
        let rows = self.chance.one(&[
            "ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW",
            "ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING",
            "ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING",
        ]);
        match self.chance.below(10) {
            0 | 1 => (format!("row_number() OVER ({by}ORDER BY {order})"), Kind::Other),
            2 => (format!("rank() OVER ({by}ORDER BY {order})"), Kind::Other),
            3 => (format!("lag({number}) OVER ({by}ORDER BY {order})"), Kind::Int),
            4 => (format!("sum({number}) OVER ({by}ORDER BY {order})"), Kind::Int),
            5 => (
                format!("sum({number}) OVER ({by}ORDER BY {order} {rows})"),
                Kind::Int,
            ),
            6 => (format!("sum({number} * 0.1) OVER ({by})"), Kind::Double),
            7 => (format!("count(*) OVER ({by})"), Kind::Int),
            8 => (
                format!("first_value({text}) OVER ({by}ORDER BY {order})"),
                Kind::Text,
            ),
            _ => (
                format!("max({number}) OVER ({by}ORDER BY {order} {rows})"),
                Kind::Int,
            ),
        }
    }

    fn windowed(&mut self, depth: usize) -> Select {
        let source = self.source(depth);
        let condition = self.condition(&source.columns);
        let parts = self.parts(&source.columns);
        let mut others = self.some(&source.columns, 3);
        others.push(self.window(&source.columns, &parts));
        let list = self.list(parts, others);
        Select {
            sql: format!("SELECT {} FROM {}{condition}", list.sql, source.sql),
            ..list
        }
    }

    fn joined(&mut self, depth: usize) -> Select {
        let (left, right) = (self.source(depth), self.source(depth));
        let kind = self.chance.one(&["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"]);
        let mut on = Vec::new();
        for name in ["day", "id"] {
            let must = self.recompute.iter().any(|one| one == name);
            if !self.chance.in_hundred(if must { 96 } else { 50 }) {
                continue;
            }
            let (Some(mut one), Some(other)) =
                (self.part(&left.columns, name), self.part(&right.columns, name))
            else {
                continue;
            };
            if self.chance.in_hundred(6) {
                one = other.clone();
            }
            on.push(match self.chance.below(3) {
                0 => format!("({one} IS NOT DISTINCT FROM {other})"),
                1 => format!("{other} = {one}"),
                _ => format!("{one} = {other}"),
            });
        }
        let on = if on.is_empty() {
            "true".to_owned()
        } else {
            on.join(" AND ")
        };
        let mut parts = Vec::new();
        for name in self.recompute.clone() {
            let sides = (self.part(&left.columns, &name), self.part(&right.columns, &name));
            let (Some(one), Some(other)) = sides else {
                continue;
            };
            let expr = match (kind, self.chance.below(10)) {
                (_, 0) => format!("coalesce({other}, {one})"),
                ("JOIN" | "LEFT JOIN", 1..9) => one,
                ("RIGHT JOIN", 1..9) => other,
                (_, 9) => other,
                _ => format!("coalesce({one}, {other})"),
            };
            parts.push((expr, name));
        }
        let columns: Vec<Named> = left.columns.into_iter().chain(right.columns).collect();
        if parts.len() < self.recompute.len() {
            parts = self.parts(&columns);
        }
        let mut others = self.some(&columns, 4);
        if self.chance.in_hundred(15) {
            others.push(self.window(&columns, &parts));
        }
        let condition = self.condition(&columns);
        let list = self.list(parts, others);
        Select {
            sql: format!(
                "SELECT {} FROM {} {kind} {} ON {on}{condition}",
                list.sql, left.sql, right.sql
            ),
            ..list
        }
    }

    fn union(&mut self, depth: usize) -> Select {
        let mut sides = Vec::new();
        let mut columns = Vec::new();
        for _ in 0..2 {
            let source = self.source(depth);
            let condition = self.condition(&source.columns);
            let parts = self.parts(&source.columns);
            let number = self
                .column(&source.columns, Kind::Int)
                .unwrap_or_else(|| "1".to_owned());
            let text = self
                .column(&source.columns, Kind::Text)
                .unwrap_or_else(|| "'k'".to_owned());
            let list = self.list(parts, vec![(number, Kind::Int), (text, Kind::Text)]);
            sides.push(format!("SELECT {} FROM {}{condition}", list.sql, source.sql));
            columns = list.columns;
        }
        Select {
            sql: sides.join(" UNION ALL "),
            columns,
        }
    }
}
