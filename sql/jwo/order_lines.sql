-- Header-only rows are no lines. A line without an id is identified by what it is and by its occurrence in the report:
-- reports overlap, so equal lines of two reports are the same line, and equal lines of one report are not.
SELECT
    * EXCEPT (line_id),
    coalesce(
        line_id,
        concat(
            'derived|', coalesce(line_type, ''), '|', coalesce(sku, upc, ''), '|', coalesce(unit_price, ''), '|',
            coalesce(promotion_ids, ''), '|',
            row_number() OVER (
                PARTITION BY _object, merchant_id, order_id, line_id, line_type, coalesce(sku, upc), unit_price, promotion_ids
                ORDER BY _row
            )
        )
    ) AS line_id
FROM raw
WHERE coalesce(line_id, sku, upc, line_type, quantity) IS NOT NULL
