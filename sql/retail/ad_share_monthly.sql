SELECT
    CAST(date_trunc('month', activity_date) AS DATE) AS month,
    merchant,
    marketplace_id,
    business,
    currency_code,
    count(DISTINCT activity_date) AS days,
    sum(ad_impressions) AS ad_impressions,
    sum(ad_clicks) AS ad_clicks,
    sum(ad_cost) AS ad_cost,
    sum(ad_sales) AS ad_sales,
    sum(total_sales) AS total_sales,
    CAST(sum(ad_cost) AS DOUBLE) / nullif(CAST(sum(total_sales) AS DOUBLE), 0.0) AS ad_cost_share,
    CAST(sum(ad_sales) AS DOUBLE) / nullif(CAST(sum(total_sales) AS DOUBLE), 0.0) AS ad_sales_share,
    CAST(sum(ad_cost) AS DOUBLE) / nullif(CAST(sum(ad_sales) AS DOUBLE), 0.0) AS acos
FROM retail.ad_share_daily
GROUP BY CAST(date_trunc('month', activity_date) AS DATE), merchant, marketplace_id, business, currency_code
