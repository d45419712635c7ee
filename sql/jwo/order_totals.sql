WITH lines AS (
    SELECT
        order_date,
        merchant_id,
        order_id,
        max(store_id) AS store_id,
        min(currency_code) AS currency_code,
        max(currency_code) AS other_currency_code,
        count(*) AS line_count,
        sum(quantity) AS quantity,
        sum(gross_amount) AS gross,
        sum(discount_amount) AS discount,
        sum(fee_amount) AS fee,
        sum(tax_amount) AS tax,
        sum(net_amount) AS net
    FROM jwo.order_lines
    WHERE order_date IS NOT NULL
    GROUP BY order_date, merchant_id, order_id
),
headers AS (
    SELECT
        order_date,
        merchant_id,
        order_id,
        store_id,
        currency_code,
        item_count,
        subtotal,
        discount_total,
        fee_total,
        tax_total,
        order_total
    FROM jwo.orders
    WHERE order_date IS NOT NULL
)
SELECT
    coalesce(headers.order_date, lines.order_date) AS order_date,
    coalesce(headers.merchant_id, lines.merchant_id) AS merchant_id,
    coalesce(headers.order_id, lines.order_id) AS order_id,
    coalesce(headers.store_id, lines.store_id) AS store_id,
    coalesce(headers.currency_code, lines.currency_code) AS currency_code,
    headers.item_count,
    headers.subtotal,
    headers.discount_total,
    headers.fee_total,
    headers.tax_total,
    headers.order_total,
    coalesce(lines.line_count, 0) AS line_count,
    lines.quantity AS line_quantity,
    lines.gross AS line_gross,
    lines.discount AS line_discount,
    lines.fee AS line_fee,
    lines.tax AS line_tax,
    lines.net AS line_net,
    headers.order_id IS NOT NULL AS has_header,
    lines.order_id IS NOT NULL AS has_lines,
    headers.order_id IS NOT NULL
        AND lines.order_id IS NOT NULL
        AND coalesce(lines.currency_code = lines.other_currency_code, true)
        AND coalesce(headers.currency_code = lines.currency_code, true)
        AND coalesce(headers.subtotal = lines.gross, true)
        AND coalesce(headers.discount_total = lines.discount, true)
        AND coalesce(headers.fee_total = lines.fee, true)
        AND coalesce(headers.tax_total = lines.tax, true)
        AND coalesce(headers.order_total = lines.net, true) AS agrees
FROM headers
FULL OUTER JOIN lines
    ON (headers.order_date IS NOT DISTINCT FROM lines.order_date)
    AND (headers.merchant_id IS NOT DISTINCT FROM lines.merchant_id)
    AND (headers.order_id IS NOT DISTINCT FROM lines.order_id)
