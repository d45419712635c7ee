//! SQL over inputs as it is planned: what is not local or not exact, and what is right.

use super::mistakes::assert_each_sql;
use super::*;

/// What a text does not tell and its plan does.
const BY_PLAN: [(&str, &str); 24] = [
    // A condition that does not name the table that is joined.
    (
        "C031 :2",
        "SELECT a.day, a.id, 1 AS n FROM shop.orders a JOIN shop.orders b ON a.day = b.day JOIN shop.orders c\n\
         ON a.day = b.day AND c.id = a.id",
    ),
    // Column lists that call something else a recompute column.
    (
        "C031 :1",
        "SELECT day, id, count(*) AS n FROM (SELECT seen, id FROM shop.orders) AS s(day, id) GROUP BY day, id",
    ),
    (
        "C031 :2",
        "WITH s(day, id) AS (SELECT seen, id FROM shop.orders)\nSELECT day, id, count(*) AS n FROM s GROUP BY day, id",
    ),
    (
        "C031 :1",
        "SELECT CAST(seen AS DATE) AS day, id, 1 AS n FROM shop.orders",
    ),
    (
        "C031 :1",
        "SELECT coalesce(day, DATE '2026-01-01') AS day, id, 1 AS n FROM shop.orders",
    ),
    // Nulls of a row that is not there are no values.
    (
        "C031 :2",
        "SELECT\nb.day, a.id, 1 AS n FROM shop.orders a LEFT JOIN shop.orders b ON a.day = b.day AND a.id = b.id",
    ),
    (
        "C031 :2",
        "SELECT a.day, a.id, 1 AS n FROM shop.orders a LEFT JOIN shop.orders b ON a.day = b.day JOIN shop.orders c\n\
         ON (b.day IS NOT DISTINCT FROM c.day)",
    ),
    (
        "C031 :2",
        "SELECT a.day, a.id, 1 AS n FROM shop.orders a,\nshop.orders b WHERE a.day = b.day",
    ),
    (
        "C031 :1",
        "SELECT a.day, a.id, 1 AS n FROM shop.orders a JOIN shop.orders b ON a.day = b.day OR a.id = b.id",
    ),
    (
        "C031 :1",
        "SELECT a.day, a.id, 1 AS n FROM shop.orders a JOIN shop.orders b USING (id)",
    ),
    // Floating point by its type, whatever it is called.
    (
        "C033 :2",
        "SELECT day, max(id) AS id,\nsum(length(id) * 0.1) AS n FROM shop.orders GROUP BY day",
    ),
    (
        "C033 :1",
        "SELECT day, max(id) AS id, sum(amount / CAST(3 AS DOUBLE)) AS n FROM shop.orders GROUP BY day",
    ),
    (
        "C033 :1",
        "SELECT day, max(id) AS id, sum(y) AS n FROM (SELECT day, id, price AS y FROM shop.orders) AS o GROUP BY day",
    ),
    (
        "C033 :1",
        "SELECT day, max(id) AS id, max(price / 0) AS n FROM shop.orders GROUP BY day",
    ),
    (
        "C033 :1",
        "SELECT day, id, sum(price) OVER (PARTITION BY day) AS n FROM shop.orders",
    ),
    (
        "C033 :1",
        "SELECT day, max(id) AS id, approx_distinct(seen) AS n FROM shop.orders GROUP BY day",
    ),
    // Orders with ties.
    (
        "C033 :2",
        "SELECT day, id,\nrow_number() OVER (PARTITION BY day ORDER BY seen) AS n FROM shop.orders",
    ),
    (
        "C033 :1",
        "SELECT day, id, lag(amount) OVER (PARTITION BY day ORDER BY seen) AS n FROM shop.orders",
    ),
    (
        "C033 :1",
        "SELECT day, id, sum(amount) OVER (PARTITION BY day ORDER BY seen ROWS UNBOUNDED PRECEDING) AS n \
         FROM shop.orders",
    ),
    (
        "C033 :1",
        "SELECT day, max(id) AS id, first_value(amount ORDER BY seen) AS n FROM shop.orders GROUP BY day",
    ),
    (
        "C033 :1",
        "SELECT day, string_agg(id, ',' ORDER BY seen) AS id, 1 AS n FROM shop.orders GROUP BY day",
    ),
    (
        "C033 :2",
        "SELECT day, id, 1 AS n FROM shop.orders\nWHERE _batch > 1",
    ),
    (
        "C040 :1",
        "SELECT day, max(id) AS id, last_value(seen ORDER BY seen, seen) AS n FROM shop.orders GROUP BY day",
    ),
    (
        "C030 :1",
        "SELECT day, id, CAST(random() AS BIGINT) AS n FROM shop.orders",
    ),
];

#[test]
fn what_is_not_local_or_not_exact_is_found_in_the_plan() {
    assert_each_sql("shop/daily.sql", &BY_PLAN);
}

#[test]
fn what_the_plan_shows_to_be_right_passes() {
    for sql in [
        "SELECT d AS day, k AS id, n FROM (SELECT day, id, 1 FROM shop.orders) AS s(d, k, n)",
        "SELECT a.d AS day, b.id, 1 AS n FROM (SELECT day AS d, id FROM shop.orders) AS a \
         JOIN shop.orders b ON b.day = a.d AND a.id = b.id",
        "SELECT coalesce(a.day, b.day, c.day) AS day, max(coalesce(a.id, b.id, c.id)) AS id, count(*) AS n \
         FROM shop.orders a FULL JOIN shop.orders b ON (a.day IS NOT DISTINCT FROM b.day) \
         FULL JOIN shop.orders c ON (coalesce(a.day, b.day) IS NOT DISTINCT FROM c.day) \
         GROUP BY coalesce(a.day, b.day, c.day)",
        "SELECT b.day, b.id, 1 AS n FROM shop.orders a LEFT JOIN shop.orders b ON a.day = b.day WHERE b.day IS NOT NULL",
        "SELECT day, a.id, 1 AS n FROM shop.orders a JOIN shop.orders b USING (day)",
        "SELECT day, id, row_number() OVER (PARTITION BY day ORDER BY seen, id DESC) AS n FROM shop.orders",
        "SELECT day, id, rank() OVER (PARTITION BY day ORDER BY seen) AS n FROM shop.orders",
        "SELECT day, id, sum(amount) OVER (PARTITION BY day ORDER BY seen) AS n FROM shop.orders",
        "SELECT day, id, lag(amount) OVER (PARTITION BY o.day ORDER BY o.seen, o.id) AS n FROM shop.orders o \
         JOIN (SELECT day AS d, id AS k FROM shop.orders) AS p ON o.day = p.d AND o.id = p.k",
        "SELECT day, string_agg(id, ',' ORDER BY id) AS id, max(price) AS n FROM shop.orders GROUP BY day",
        "SELECT day, max(id) AS id, sum(CAST(price AS DECIMAL(18, 2))) AS n FROM shop.orders GROUP BY day",
        "SELECT day, id, rn AS n FROM (SELECT day, id, seen, \
         row_number() OVER (PARTITION BY day, seen ORDER BY id) AS rn FROM shop.orders) AS o WHERE rn = 1",
    ] {
        assert_eq!(mistakes_of(&with("shop/daily.sql", sql)), [""; 0], "{sql}");
    }
}

#[test]
fn a_tie_is_told_with_what_breaks_it() {
    let sql = "SELECT day, id, row_number() OVER (PARTITION BY day ORDER BY seen) AS n FROM shop.orders o";
    let said = load(&[], &with("shop/daily.sql", sql)).unwrap_err();
    assert_eq!(
        said.iter().map(Diagnostic::to_string).collect::<Vec<_>>(),
        [
            "shop/daily.sql:1: C033 row_number depends on the order of rows that are alike in o.seen; \
             end its ORDER BY with o.id"
        ]
    );
}
