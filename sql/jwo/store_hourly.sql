WITH lines AS (
    SELECT order_date, merchant_id, order_id, count(*) AS line_count, sum(quantity) AS quantity
    FROM jwo.order_lines
    WHERE order_date IS NOT NULL
    GROUP BY order_date, merchant_id, order_id
),
timed AS (
    SELECT
        orders.order_date,
        orders.merchant_id,
        coalesce(orders.store_id, '') AS store_id,
        date_trunc('hour', coalesce(orders.order_created_at, orders.trip_end_at, orders.trip_start_at)) AS hour_start,
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
)
SELECT
    order_date,
    merchant_id,
    store_id,
    coalesce(to_char(hour_start, '%Y-%m-%dT%H:%MZ'), '') AS hour,
    hour_start,
    currency_code,
    count(*) AS baskets,
    sum(item_count) AS items,
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
FROM timed
GROUP BY order_date, merchant_id, store_id, hour_start, currency_code
