SELECT
    *,
    row_number() OVER (PARTITION BY _object, "amazon-order-id" ORDER BY _row) AS item_ordinal
FROM raw
