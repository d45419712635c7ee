WITH lines AS (
    SELECT order_date, merchant_id, order_id, count(*) AS line_count, sum(quantity) AS quantity
    FROM jwo.order_lines
    WHERE order_date IS NOT NULL
    GROUP BY order_date, merchant_id, order_id
),
-- Instants are counted in microseconds since 1970, UTC: date_trunc and to_char would count an instant in nanoseconds,
-- which only reach from 1677 to 2262.
timed AS (
    SELECT
        orders.order_date,
        orders.merchant_id,
        coalesce(orders.store_id, '') AS store_id,
        CAST(coalesce(orders.order_created_at, orders.trip_end_at, orders.trip_start_at) AS BIGINT) AS made_at,
        coalesce(orders.currency_code, '') AS currency_code,
        orders.item_count,
        orders.order_total,
        orders.discount_total,
        orders.tax_total,
        orders.refunded_total,
        (CAST(orders.first_seen_at AS BIGINT) - CAST(orders.trip_end_at AS BIGINT)) / 1000000 AS delay_seconds,
        lines.line_count,
        lines.quantity
    FROM jwo.orders AS orders
    LEFT JOIN lines
        ON (orders.order_date IS NOT DISTINCT FROM lines.order_date)
        AND (orders.merchant_id IS NOT DISTINCT FROM lines.merchant_id)
        AND (orders.order_id IS NOT DISTINCT FROM lines.order_id)
    WHERE orders.order_date IS NOT NULL
),
hourly AS (
    SELECT
        *,
        made_at - (made_at % 3600000000 + 3600000000) % 3600000000 AS hour_at
    FROM timed
)
SELECT
    order_date,
    merchant_id,
    store_id,
    coalesce(to_char(arrow_cast(hour_at, 'Timestamp(Microsecond, None)'), '%Y-%m-%dT%H:%MZ'), '') AS hour,
    arrow_cast(hour_at, 'Timestamp(Microsecond, Some("UTC"))') AS hour_start,
    currency_code,
    count(*) AS baskets,
    sum(CAST(item_count AS DECIMAL(19, 0))) AS items,
    coalesce(sum(line_count), 0) AS line_count,
    sum(quantity) AS line_quantity,
    sum(order_total) AS sales,
    sum(discount_total) AS discounts,
    sum(tax_total) AS taxes,
    sum(refunded_total) AS refunds,
    count(*) FILTER (WHERE discount_total <> 0) AS discounted,
    count(*) FILTER (WHERE refunded_total <> 0) AS refunded,
    sum(delay_seconds) AS delay_seconds,
    count(delay_seconds) AS delayed_baskets,
    max(delay_seconds) AS max_delay_seconds
FROM hourly
GROUP BY order_date, merchant_id, store_id, hour_at, currency_code
