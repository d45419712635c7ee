-- What the curated tables of the source jwo must hold, from raw.jwo_rows alone.

CREATE SCHEMA jwo;

CREATE MACRO has_offset(text) AS regexp_matches(text, ':[0-9]{2}([.][0-9]+)?(Z|[+-][0-9]{2}(:?[0-9]{2})?)$');
-- Texts without an offset are the store's local time.
CREATE MACRO instant(text, zone) AS
    CASE WHEN has_offset(text) THEN try_cast(text AS TIMESTAMPTZ) ELSE timezone(zone, try_cast(text AS TIMESTAMP)) END;
CREATE MACRO day(text, zone) AS
    CASE
        WHEN length(text) = 10 THEN try_cast(text AS DATE)
        WHEN has_offset(text) THEN timezone(zone, try_cast(text AS TIMESTAMPTZ))::DATE
        ELSE try_cast(text AS TIMESTAMP)::DATE
    END;
CREATE MACRO uncast(text, value) AS text IS NOT NULL AND value IS NULL;

CREATE TABLE jwo.order_rows AS
SELECT
    timezone('UTC', generated_at)::DATE AS report_date,
    path AS object_path,
    row AS row_number,
    merchant_id,
    order_id,
    line_id,
    generated_at,
    part
FROM raw.jwo_rows;

-- The order of `newest` is that in which values supersede each other.
CREATE VIEW jwo.reported AS
SELECT
    * REPLACE (coalesce(order_date, order_created_at, trip_end_at, trip_start_at) AS order_date),
    row(generated_at, part, modified, row) AS newest
FROM raw.jwo_rows
WHERE trim(merchant_id) <> '' AND trim(order_id) <> '';

CREATE VIEW jwo.typed_headers AS
SELECT
    merchant_id,
    order_id,
    day(order_date, zone) AS order_date,
    store_id,
    store_timezone,
    shopping_trip_id,
    entry_method,
    instant(trip_start_at, zone) AS trip_start_at,
    instant(trip_end_at, zone) AS trip_end_at,
    instant(order_created_at, zone) AS order_created_at,
    instant(order_updated_at, zone) AS order_updated_at,
    order_status,
    payment_status,
    payment_method,
    card_brand,
    card_last4,
    shopper_ref,
    loyalty_id,
    try_cast(item_count AS BIGINT) AS item_count,
    try_cast(subtotal AS DECIMAL(18, 4)) AS subtotal,
    try_cast(discount_total AS DECIMAL(18, 4)) AS discount_total,
    try_cast(fee_total AS DECIMAL(18, 4)) AS fee_total,
    try_cast(tax_total AS DECIMAL(18, 4)) AS tax_total,
    try_cast(order_total AS DECIMAL(18, 4)) AS order_total,
    try_cast(paid_total AS DECIMAL(18, 4)) AS paid_total,
    try_cast(refunded_total AS DECIMAL(18, 4)) AS refunded_total,
    currency_code,
    generated_at,
    part,
    extra,
    newest,
    uncast(text.order_date, day(text.order_date, zone))
        OR uncast(text.trip_start_at, instant(text.trip_start_at, zone))
        OR uncast(text.trip_end_at, instant(text.trip_end_at, zone))
        OR uncast(text.order_created_at, instant(text.order_created_at, zone))
        OR uncast(text.order_updated_at, instant(text.order_updated_at, zone))
        OR uncast(text.item_count, try_cast(text.item_count AS BIGINT))
        OR uncast(text.subtotal, try_cast(text.subtotal AS DECIMAL(18, 4)))
        OR uncast(text.discount_total, try_cast(text.discount_total AS DECIMAL(18, 4)))
        OR uncast(text.fee_total, try_cast(text.fee_total AS DECIMAL(18, 4)))
        OR uncast(text.tax_total, try_cast(text.tax_total AS DECIMAL(18, 4)))
        OR uncast(text.order_total, try_cast(text.order_total AS DECIMAL(18, 4)))
        OR uncast(text.paid_total, try_cast(text.paid_total AS DECIMAL(18, 4)))
        OR uncast(text.refunded_total, try_cast(text.refunded_total AS DECIMAL(18, 4)))
        AS rejected
FROM jwo.reported AS text;

CREATE VIEW jwo.typed_lines AS
SELECT
    merchant_id,
    order_id,
    line_id,
    day(order_date, zone) AS order_date,
    store_id,
    shopping_trip_id,
    line_type,
    sku,
    upc,
    product_name,
    category,
    try_cast(quantity AS DECIMAL(18, 6)) AS quantity,
    quantity_unit,
    try_cast(unit_price AS DECIMAL(18, 4)) AS unit_price,
    try_cast(gross_amount AS DECIMAL(18, 4)) AS gross_amount,
    try_cast(discount_amount AS DECIMAL(18, 4)) AS discount_amount,
    try_cast(fee_amount AS DECIMAL(18, 4)) AS fee_amount,
    try_cast(tax_amount AS DECIMAL(18, 4)) AS tax_amount,
    try_cast(net_amount AS DECIMAL(18, 4)) AS net_amount,
    promotion_ids,
    promotion_description,
    try_cast(tax_rate AS DECIMAL(9, 6)) AS tax_rate,
    try_cast(tax_inclusive AS BOOLEAN) AS tax_inclusive,
    currency_code,
    line_status,
    refund_reason_code,
    refund_request_id,
    generated_at,
    part,
    extra,
    newest,
    uncast(text.order_date, day(text.order_date, zone))
        OR uncast(text.quantity, try_cast(text.quantity AS DECIMAL(18, 6)))
        OR uncast(text.unit_price, try_cast(text.unit_price AS DECIMAL(18, 4)))
        OR uncast(text.gross_amount, try_cast(text.gross_amount AS DECIMAL(18, 4)))
        OR uncast(text.discount_amount, try_cast(text.discount_amount AS DECIMAL(18, 4)))
        OR uncast(text.fee_amount, try_cast(text.fee_amount AS DECIMAL(18, 4)))
        OR uncast(text.tax_amount, try_cast(text.tax_amount AS DECIMAL(18, 4)))
        OR uncast(text.net_amount, try_cast(text.net_amount AS DECIMAL(18, 4)))
        OR uncast(text.tax_rate, try_cast(text.tax_rate AS DECIMAL(9, 6)))
        OR uncast(text.tax_inclusive, try_cast(text.tax_inclusive AS BOOLEAN))
        AS rejected
FROM jwo.reported AS text
WHERE trim(line_id) <> '';

-- arg_max passes over nulls: what stays is the newest value that is not null, column by column.
CREATE TABLE jwo.orders AS
WITH entries AS (
    SELECT merchant_id, order_id, unnest(map_entries(extra), recursive := true), newest
    FROM jwo.typed_headers
    WHERE NOT rejected AND extra IS NOT NULL
),
extras AS (
    SELECT merchant_id, order_id, map_from_entries(list((key, '') ORDER BY key)) AS extra -- of unknown fields beside personal ones the names are kept alone
    FROM (SELECT merchant_id, order_id, key, arg_max(value, newest) AS value FROM entries GROUP BY ALL)
    GROUP BY ALL
),
newest_values AS (
    SELECT
        merchant_id,
        order_id,
        arg_max(COLUMNS(* EXCLUDE (merchant_id, order_id, extra, newest, rejected)), newest),
        min(generated_at) AS first_seen_at,
        max(generated_at) AS last_seen_at
    FROM jwo.typed_headers
    WHERE NOT rejected
    GROUP BY merchant_id, order_id
)
FROM newest_values LEFT JOIN extras USING (merchant_id, order_id);

CREATE TABLE jwo.order_lines AS
WITH entries AS (
    SELECT merchant_id, order_id, line_id, unnest(map_entries(extra), recursive := true), newest
    FROM jwo.typed_lines
    WHERE NOT rejected AND extra IS NOT NULL
),
extras AS (
    SELECT merchant_id, order_id, line_id, map_from_entries(list((key, '') ORDER BY key)) AS extra
    FROM (SELECT merchant_id, order_id, line_id, key, arg_max(value, newest) AS value FROM entries GROUP BY ALL)
    GROUP BY ALL
),
newest_values AS (
    SELECT
        merchant_id,
        order_id,
        line_id,
        arg_max(COLUMNS(* EXCLUDE (merchant_id, order_id, line_id, extra, newest, rejected)), newest),
        min(generated_at) AS first_seen_at,
        max(generated_at) AS last_seen_at
    FROM jwo.typed_lines
    WHERE NOT rejected
    GROUP BY merchant_id, order_id, line_id
)
FROM newest_values LEFT JOIN extras USING (merchant_id, order_id, line_id);

CREATE TABLE jwo.order_totals AS
WITH lines AS (
    SELECT
        order_date,
        merchant_id,
        order_id,
        max(store_id) AS store_id,
        min(currency_code) AS currency_code,
        count(DISTINCT currency_code) AS currencies,
        count(*) AS line_count,
        sum(quantity) AS quantity,
        sum(gross_amount) AS gross,
        sum(discount_amount) AS discount,
        sum(fee_amount) AS fee,
        sum(tax_amount) AS tax,
        sum(net_amount) AS net
    FROM jwo.order_lines
    WHERE order_date IS NOT NULL
    GROUP BY ALL
)
SELECT
    order_date,
    merchant_id,
    order_id,
    coalesce(header.store_id, lines.store_id) AS store_id,
    coalesce(header.currency_code, lines.currency_code) AS currency_code,
    header.item_count,
    header.subtotal,
    header.discount_total,
    header.fee_total,
    header.tax_total,
    header.order_total,
    coalesce(line_count, 0) AS line_count,
    lines.quantity::DECIMAL(28, 6) AS line_quantity,
    lines.gross::DECIMAL(28, 4) AS line_gross,
    lines.discount::DECIMAL(28, 4) AS line_discount,
    lines.fee::DECIMAL(28, 4) AS line_fee,
    lines.tax::DECIMAL(28, 4) AS line_tax,
    lines.net::DECIMAL(28, 4) AS line_net,
    header.order_id IS NOT NULL AS has_header,
    lines.order_id IS NOT NULL AS has_lines,
    -- A comparison that lacks one side says nothing.
    has_header AND has_lines AND NOT coalesce(lines.currencies > 1, false)
        AND NOT coalesce(header.currency_code <> lines.currency_code, false)
        AND NOT coalesce(header.subtotal <> lines.gross, false)
        AND NOT coalesce(header.discount_total <> lines.discount, false)
        AND NOT coalesce(header.fee_total <> lines.fee, false)
        AND NOT coalesce(header.tax_total <> lines.tax, false)
        AND NOT coalesce(header.order_total <> lines.net, false) AS agrees
FROM (FROM jwo.orders WHERE order_date IS NOT NULL) AS header
FULL JOIN lines USING (order_date, merchant_id, order_id);

CREATE TABLE jwo.store_hourly AS
WITH lines AS (
    SELECT order_date, merchant_id, order_id, count(*) AS line_count, sum(quantity) AS quantity
    FROM jwo.order_lines
    GROUP BY ALL
),
baskets AS (
    SELECT
        header.*,
        lines.line_count,
        lines.quantity,
        date_trunc('hour', coalesce(order_created_at, trip_end_at, trip_start_at)) AS hour_start,
        (epoch_us(first_seen_at) - epoch_us(trip_end_at)) // 1000000 AS delay
    FROM jwo.orders AS header
    LEFT JOIN lines USING (order_date, merchant_id, order_id)
    WHERE order_date IS NOT NULL
)
SELECT
    order_date,
    merchant_id,
    coalesce(store_id, '') AS store_id,
    coalesce(strftime(timezone('UTC', hour_start), '%Y-%m-%dT%H:%MZ'), '') AS hour,
    hour_start,
    coalesce(currency_code, '') AS currency_code,
    count(*) AS baskets,
    sum(item_count)::DECIMAL(29, 0) AS items,
    coalesce(sum(line_count), 0)::BIGINT AS line_count,
    sum(quantity)::DECIMAL(38, 6) AS line_quantity,
    sum(order_total)::DECIMAL(28, 4) AS sales,
    sum(discount_total)::DECIMAL(28, 4) AS discounts,
    sum(tax_total)::DECIMAL(28, 4) AS taxes,
    sum(refunded_total)::DECIMAL(28, 4) AS refunds,
    count(*) FILTER (discount_total <> 0) AS discounted,
    count(*) FILTER (refunded_total <> 0) AS refunded,
    sum(delay)::BIGINT AS delay_seconds,
    count(delay) AS delayed_baskets,
    max(delay) AS max_delay_seconds
FROM baskets
GROUP BY ALL;
