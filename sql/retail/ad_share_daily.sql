-- Each side is brought to the same columns and summed once, so that nothing is joined twice.
WITH parts AS (
    SELECT
        activity_date,
        merchant,
        marketplace_id,
        account_type AS business,
        currency_code,
        impressions AS ad_impressions,
        clicks AS ad_clicks,
        cost AS ad_cost,
        sales AS ad_sales,
        CAST(NULL AS DECIMAL(28, 4)) AS ordered_revenue,
        CAST(NULL AS DECIMAL(28, 4)) AS shipped_sourcing
    FROM ads.campaign_daily
    UNION ALL
    SELECT
        activity_date,
        merchant,
        coalesce(marketplace_id, '') AS marketplace_id,
        'vendor' AS business,
        coalesce(ordered_revenue_currency, '') AS currency_code,
        CAST(NULL AS BIGINT) AS ad_impressions,
        CAST(NULL AS BIGINT) AS ad_clicks,
        CAST(NULL AS DECIMAL(28, 4)) AS ad_cost,
        CAST(NULL AS DECIMAL(28, 4)) AS ad_sales,
        CAST(ordered_revenue AS DECIMAL(28, 4)) AS ordered_revenue,
        CAST(NULL AS DECIMAL(28, 4)) AS shipped_sourcing
    FROM sp_api.vendor_sales
    WHERE report_period = 'DAY' AND selling_program = 'RETAIL' AND distributor_view = 'MANUFACTURING'
        AND ordered_revenue IS NOT NULL
    UNION ALL
    SELECT
        activity_date,
        merchant,
        coalesce(marketplace_id, '') AS marketplace_id,
        'vendor' AS business,
        coalesce(shipped_revenue_currency, '') AS currency_code,
        CAST(NULL AS BIGINT) AS ad_impressions,
        CAST(NULL AS BIGINT) AS ad_clicks,
        CAST(NULL AS DECIMAL(28, 4)) AS ad_cost,
        CAST(NULL AS DECIMAL(28, 4)) AS ad_sales,
        CAST(NULL AS DECIMAL(28, 4)) AS ordered_revenue,
        CAST(shipped_revenue AS DECIMAL(28, 4)) AS shipped_sourcing
    FROM sp_api.vendor_sales
    WHERE report_period = 'DAY' AND selling_program = 'RETAIL' AND distributor_view = 'SOURCING'
        AND shipped_revenue IS NOT NULL
    UNION ALL
    SELECT
        activity_date,
        merchant,
        coalesce(marketplace_id, '') AS marketplace_id,
        'seller' AS business,
        coalesce(ordered_product_sales_currency, '') AS currency_code,
        CAST(NULL AS BIGINT) AS ad_impressions,
        CAST(NULL AS BIGINT) AS ad_clicks,
        CAST(NULL AS DECIMAL(28, 4)) AS ad_cost,
        CAST(NULL AS DECIMAL(28, 4)) AS ad_sales,
        CAST(ordered_product_sales AS DECIMAL(28, 4)) AS ordered_revenue,
        CAST(NULL AS DECIMAL(28, 4)) AS shipped_sourcing
    FROM sp_api.sales_traffic_daily
    WHERE date_granularity = 'DAY' AND ordered_product_sales IS NOT NULL
),
summed AS (
    SELECT
        activity_date,
        merchant,
        marketplace_id,
        business,
        currency_code,
        sum(ad_impressions) AS ad_impressions,
        sum(ad_clicks) AS ad_clicks,
        sum(ad_cost) AS ad_cost,
        sum(ad_sales) AS ad_sales,
        sum(ordered_revenue) AS ordered_revenue,
        sum(shipped_sourcing) AS shipped_sourcing
    FROM parts
    WHERE activity_date IS NOT NULL AND merchant IS NOT NULL
    GROUP BY activity_date, merchant, marketplace_id, business, currency_code
),
compared AS (
    SELECT
        *,
        coalesce(ordered_revenue, shipped_sourcing) AS total_sales,
        CASE
            WHEN ordered_revenue IS NOT NULL THEN 'ordered'
            WHEN shipped_sourcing IS NOT NULL THEN 'shipped_sourcing'
        END AS sales_basis
    FROM summed
)
SELECT
    activity_date,
    merchant,
    marketplace_id,
    business,
    currency_code,
    ad_impressions,
    ad_clicks,
    ad_cost,
    ad_sales,
    ordered_revenue,
    shipped_sourcing,
    total_sales,
    sales_basis,
    CAST(ad_cost AS DOUBLE) / nullif(CAST(total_sales AS DOUBLE), 0.0) AS ad_cost_share,
    CAST(ad_sales AS DOUBLE) / nullif(CAST(total_sales AS DOUBLE), 0.0) AS ad_sales_share,
    CAST(ad_cost AS DOUBLE) / nullif(CAST(ad_sales AS DOUBLE), 0.0) AS acos
FROM compared
