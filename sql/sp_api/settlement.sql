-- The first row of a settlement has its dates, total and currency, the others have one amount each: what the first row
-- says is copied down. Europe writes decimal commas, 1.234,56, and maybe days as 31.12.2025. A day without a time is its
-- first instant in UTC, in which the others are.
SELECT
    *,
    "total-amount" IS NOT NULL AND amount IS NULL AS is_total,
    regexp_replace(regexp_replace(max("settlement-start-date") OVER (PARTITION BY _object, "settlement-id"), '^(\d{2})\.(\d{2})\.(\d{4})', '\3-\2-\1'), '^(\d{4}-\d{2}-\d{2})$', '\1T00:00:00Z') AS started_at,
    regexp_replace(regexp_replace(max("settlement-end-date") OVER (PARTITION BY _object, "settlement-id"), '^(\d{2})\.(\d{2})\.(\d{4})', '\3-\2-\1'), '^(\d{4}-\d{2}-\d{2})$', '\1T00:00:00Z') AS ended_at,
    regexp_replace(regexp_replace(max("deposit-date") OVER (PARTITION BY _object, "settlement-id"), '^(\d{2})\.(\d{2})\.(\d{4})', '\3-\2-\1'), '^(\d{4}-\d{2}-\d{2})$', '\1T00:00:00Z') AS deposited_at,
    regexp_replace(regexp_replace("posted-date-time", '^(\d{2})\.(\d{2})\.(\d{4})', '\3-\2-\1'), '^(\d{4}-\d{2}-\d{2})$', '\1T00:00:00Z') AS posted_at,
    max(currency) OVER (PARTITION BY _object, "settlement-id") AS filled_currency,
    CASE WHEN "total-amount" ~ ',\d{1,2}$' THEN replace(replace("total-amount", '.', ''), ',', '.') ELSE "total-amount" END AS total_amount,
    CASE WHEN amount ~ ',\d{1,2}$' THEN replace(replace(amount, '.', ''), ',', '.') ELSE amount END AS plain_amount,
    CASE WHEN "total-amount" IS NOT NULL AND amount IS NULL THEN
        sum(TRY_CAST(
            CASE WHEN amount ~ ',\d{1,2}$' THEN replace(replace(amount, '.', ''), ',', '.') ELSE amount END AS DECIMAL(18, 4)
        )) OVER (PARTITION BY _object, "settlement-id")
    END AS amount_sum
FROM raw
