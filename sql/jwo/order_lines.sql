-- Header-only rows are no lines. A line without an id is identified by what it is and by its occurrence in the report:
-- reports overlap, so equal lines of two reports are the same line, and equal lines of one report are not. A price counts
-- as a number, however it is written (1.5 or 1.50), if it has no more than the four places of unit_price.
SELECT
    * EXCEPT (line_id),
    coalesce(
        line_id,
        concat(
            'derived|', coalesce(line_type, ''), '|', coalesce(sku, upc, ''), '|', coalesce(
                CASE WHEN regexp_like(trim(unit_price), '^[+-]?[0-9]*[.]?[0-9]{0,4}0*$')
                    THEN CAST(try_cast(trim(unit_price) AS DECIMAL(18, 4)) AS VARCHAR)
                END,
                unit_price,
                ''
            ), '|',
            coalesce(promotion_ids, ''), '|',
            row_number() OVER (
                PARTITION BY
                    _object, merchant_id, order_id, line_id, line_type, coalesce(sku, upc),
                    coalesce(
                        CASE WHEN regexp_like(trim(unit_price), '^[+-]?[0-9]*[.]?[0-9]{0,4}0*$')
                            THEN CAST(try_cast(trim(unit_price) AS DECIMAL(18, 4)) AS VARCHAR)
                        END,
                        unit_price
                    ),
                    promotion_ids
                ORDER BY _row
            )
        )
    ) AS line_id
FROM raw
WHERE coalesce(line_id, sku, upc, line_type, quantity) IS NOT NULL
