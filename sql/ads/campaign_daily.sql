-- A campaign that stands twice in a report is summed, and the sums are what ratios are made of.
WITH windowed AS (
    SELECT
        *,
        coalesce(currency_code, '') AS currency,
        CASE WHEN account_type = 'vendor' THEN 14 ELSE 7 END AS days
    FROM ads.sp_campaigns
),
summed AS (
    SELECT
        activity_date,
        profile_id,
        campaign_id,
        currency,
        max(merchant) AS merchant,
        coalesce(max(account_type), '') AS account_type,
        coalesce(max(marketplace_id), '') AS marketplace_id,
        max(campaign_name) AS campaign_name,
        sum(impressions) AS impressions,
        sum(clicks) AS clicks,
        sum(cost) AS cost,
        max(days) AS attribution_days,
        sum(CASE days WHEN 14 THEN purchases_14d ELSE purchases_7d END) AS purchases,
        sum(CASE days WHEN 14 THEN units_sold_clicks_14d ELSE units_sold_clicks_7d END) AS units,
        sum(CASE days WHEN 14 THEN sales_14d ELSE sales_7d END) AS sales,
        sum(CASE days WHEN 14 THEN attributed_sales_same_sku_14d ELSE attributed_sales_same_sku_7d END) AS sales_same_sku,
        sum(sales_30d) AS sales_30d,
        max(generated_at) AS generated_at
    FROM windowed
    GROUP BY activity_date, profile_id, campaign_id, currency
)
SELECT
    activity_date,
    profile_id,
    campaign_id,
    currency AS currency_code,
    'SPONSORED_PRODUCTS' AS ad_product,
    merchant,
    account_type,
    marketplace_id,
    campaign_name,
    impressions,
    clicks,
    cost,
    attribution_days,
    purchases,
    units,
    sales,
    sales_same_sku,
    sales_30d,
    CAST(clicks AS DOUBLE) / nullif(CAST(impressions AS DOUBLE), 0.0) AS click_through_rate,
    CAST(cost AS DOUBLE) / nullif(CAST(clicks AS DOUBLE), 0.0) AS cost_per_click,
    CAST(purchases AS DOUBLE) / nullif(CAST(clicks AS DOUBLE), 0.0) AS conversion_rate,
    CAST(cost AS DOUBLE) / nullif(CAST(sales AS DOUBLE), 0.0) AS acos,
    CAST(sales AS DOUBLE) / nullif(CAST(cost AS DOUBLE), 0.0) AS roas,
    generated_at,
    activity_date < CAST(generated_at AS DATE) - INTERVAL '60 days' AS is_settled
FROM summed
