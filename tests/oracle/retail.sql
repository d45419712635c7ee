-- What the curated tables across sources must hold, from the truth about their inputs.

CREATE SCHEMA retail;

CREATE TABLE retail.ad_share_daily AS
WITH ads AS (
    SELECT
        activity_date,
        merchant,
        marketplace_id,
        account_type AS business,
        currency_code,
        sum(impressions)::BIGINT AS ad_impressions,
        sum(clicks)::BIGINT AS ad_clicks,
        sum(cost)::DECIMAL(38, 4) AS ad_cost,
        sum(sales)::DECIMAL(38, 4) AS ad_sales
    FROM ads.campaign_daily
    GROUP BY ALL
),
ordered AS (
    SELECT activity_date, merchant, coalesce(marketplace_id, '') AS marketplace_id, business, currency_code,
        sum(revenue)::DECIMAL(38, 4) AS ordered_revenue
    FROM (
        SELECT *, 'vendor' AS business, coalesce(ordered_revenue_currency, '') AS currency_code, ordered_revenue AS revenue
        FROM sp_api.vendor_sales
        WHERE (report_period, selling_program, distributor_view) = ('DAY', 'RETAIL', 'MANUFACTURING')
        UNION ALL BY NAME
        SELECT *, 'seller' AS business, coalesce(ordered_product_sales_currency, '') AS currency_code,
            ordered_product_sales AS revenue
        FROM sp_api.sales_traffic_daily
        WHERE date_granularity = 'DAY'
    )
    WHERE revenue IS NOT NULL
    GROUP BY ALL
),
shipped AS (
    SELECT activity_date, merchant, coalesce(marketplace_id, '') AS marketplace_id, 'vendor' AS business,
        coalesce(shipped_revenue_currency, '') AS currency_code,
        sum(shipped_revenue)::DECIMAL(38, 4) AS shipped_sourcing
    FROM sp_api.vendor_sales
    WHERE (report_period, selling_program, distributor_view) = ('DAY', 'RETAIL', 'SOURCING')
        AND shipped_revenue IS NOT NULL
    GROUP BY ALL
)
SELECT
    *,
    coalesce(ordered_revenue, shipped_sourcing) AS total_sales,
    CASE
        WHEN ordered_revenue IS NOT NULL THEN 'ordered'
        WHEN shipped_sourcing IS NOT NULL THEN 'shipped_sourcing'
    END AS sales_basis,
    ad_cost::DOUBLE / nullif(total_sales::DOUBLE, 0) AS ad_cost_share,
    ad_sales::DOUBLE / nullif(total_sales::DOUBLE, 0) AS ad_sales_share,
    ad_cost::DOUBLE / nullif(ad_sales::DOUBLE, 0) AS acos
FROM ads
FULL JOIN ordered USING (activity_date, merchant, marketplace_id, business, currency_code)
FULL JOIN shipped USING (activity_date, merchant, marketplace_id, business, currency_code);
