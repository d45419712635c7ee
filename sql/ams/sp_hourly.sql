-- Keys can be null in the source. Each side is summed before the join, so that nothing is joined twice. Counts are summed
-- as decimals: a sum of integers that does not fit would wrap around.
WITH traffic AS (
    SELECT
        window_date,
        window_start,
        coalesce(advertiser_id, '') AS advertiser_id,
        coalesce(marketplace_id, '') AS marketplace_id,
        coalesce(campaign_id, '') AS campaign_id,
        coalesce(ad_group_id, '') AS ad_group_id,
        coalesce(ad_id, '') AS ad_id,
        coalesce(keyword_id, '') AS keyword_id,
        coalesce(placement, '') AS placement,
        coalesce(currency, '') AS currency,
        max(keyword_text) FILTER (WHERE keyword_text <> 'Placeholder keyword') AS keyword_text,
        max(match_type) AS match_type,
        sum(CAST(clicks AS DECIMAL(19, 0))) AS clicks,
        sum(CAST(impressions AS DECIMAL(19, 0))) AS impressions,
        sum(cost) AS cost
    FROM ams.sp_traffic
    WHERE window_date IS NOT NULL AND window_start IS NOT NULL
    GROUP BY
        window_date, window_start,
        coalesce(advertiser_id, ''), coalesce(marketplace_id, ''), coalesce(campaign_id, ''), coalesce(ad_group_id, ''),
        coalesce(ad_id, ''), coalesce(keyword_id, ''), coalesce(placement, ''), coalesce(currency, '')
),
conversion AS (
    SELECT
        window_date,
        window_start,
        coalesce(advertiser_id, '') AS advertiser_id,
        coalesce(marketplace_id, '') AS marketplace_id,
        coalesce(campaign_id, '') AS campaign_id,
        coalesce(ad_group_id, '') AS ad_group_id,
        coalesce(ad_id, '') AS ad_id,
        coalesce(keyword_id, '') AS keyword_id,
        coalesce(placement, '') AS placement,
        coalesce(currency, '') AS currency,
        sum(CAST(attributed_conversions_1d AS DECIMAL(19, 0))) AS attributed_conversions_1d,
        sum(CAST(attributed_conversions_7d AS DECIMAL(19, 0))) AS attributed_conversions_7d,
        sum(CAST(attributed_conversions_14d AS DECIMAL(19, 0))) AS attributed_conversions_14d,
        sum(CAST(attributed_conversions_30d AS DECIMAL(19, 0))) AS attributed_conversions_30d,
        sum(CAST(attributed_conversions_1d_same_sku AS DECIMAL(19, 0))) AS attributed_conversions_1d_same_sku,
        sum(CAST(attributed_conversions_7d_same_sku AS DECIMAL(19, 0))) AS attributed_conversions_7d_same_sku,
        sum(CAST(attributed_conversions_14d_same_sku AS DECIMAL(19, 0))) AS attributed_conversions_14d_same_sku,
        sum(CAST(attributed_conversions_30d_same_sku AS DECIMAL(19, 0))) AS attributed_conversions_30d_same_sku,
        sum(attributed_sales_1d) AS attributed_sales_1d,
        sum(attributed_sales_7d) AS attributed_sales_7d,
        sum(attributed_sales_14d) AS attributed_sales_14d,
        sum(attributed_sales_30d) AS attributed_sales_30d,
        sum(attributed_sales_1d_same_sku) AS attributed_sales_1d_same_sku,
        sum(attributed_sales_7d_same_sku) AS attributed_sales_7d_same_sku,
        sum(attributed_sales_14d_same_sku) AS attributed_sales_14d_same_sku,
        sum(attributed_sales_30d_same_sku) AS attributed_sales_30d_same_sku,
        sum(CAST(attributed_units_ordered_1d AS DECIMAL(19, 0))) AS attributed_units_ordered_1d,
        sum(CAST(attributed_units_ordered_7d AS DECIMAL(19, 0))) AS attributed_units_ordered_7d,
        sum(CAST(attributed_units_ordered_14d AS DECIMAL(19, 0))) AS attributed_units_ordered_14d,
        sum(CAST(attributed_units_ordered_30d AS DECIMAL(19, 0))) AS attributed_units_ordered_30d,
        sum(CAST(attributed_units_ordered_1d_same_sku AS DECIMAL(19, 0))) AS attributed_units_ordered_1d_same_sku,
        sum(CAST(attributed_units_ordered_7d_same_sku AS DECIMAL(19, 0))) AS attributed_units_ordered_7d_same_sku,
        sum(CAST(attributed_units_ordered_14d_same_sku AS DECIMAL(19, 0))) AS attributed_units_ordered_14d_same_sku,
        sum(CAST(attributed_units_ordered_30d_same_sku AS DECIMAL(19, 0))) AS attributed_units_ordered_30d_same_sku
    FROM ams.sp_conversion
    WHERE window_date IS NOT NULL AND window_start IS NOT NULL
    GROUP BY
        window_date, window_start,
        coalesce(advertiser_id, ''), coalesce(marketplace_id, ''), coalesce(campaign_id, ''), coalesce(ad_group_id, ''),
        coalesce(ad_id, ''), coalesce(keyword_id, ''), coalesce(placement, ''), coalesce(currency, '')
)
SELECT
    coalesce(traffic.window_date, conversion.window_date) AS window_date,
    coalesce(traffic.window_start, conversion.window_start) AS window_start,
    coalesce(traffic.advertiser_id, conversion.advertiser_id) AS advertiser_id,
    coalesce(traffic.marketplace_id, conversion.marketplace_id) AS marketplace_id,
    coalesce(traffic.campaign_id, conversion.campaign_id) AS campaign_id,
    coalesce(traffic.ad_group_id, conversion.ad_group_id) AS ad_group_id,
    coalesce(traffic.ad_id, conversion.ad_id) AS ad_id,
    coalesce(traffic.keyword_id, conversion.keyword_id) AS keyword_id,
    coalesce(traffic.placement, conversion.placement) AS placement,
    coalesce(traffic.currency, conversion.currency) AS currency,
    traffic.keyword_text,
    traffic.match_type,
    traffic.window_date IS NOT NULL AS has_traffic,
    conversion.window_date IS NOT NULL AS has_conversion,
    traffic.clicks,
    traffic.impressions,
    traffic.cost,
    conversion.attributed_conversions_1d,
    conversion.attributed_conversions_7d,
    conversion.attributed_conversions_14d,
    conversion.attributed_conversions_30d,
    conversion.attributed_conversions_1d_same_sku,
    conversion.attributed_conversions_7d_same_sku,
    conversion.attributed_conversions_14d_same_sku,
    conversion.attributed_conversions_30d_same_sku,
    conversion.attributed_sales_1d,
    conversion.attributed_sales_7d,
    conversion.attributed_sales_14d,
    conversion.attributed_sales_30d,
    conversion.attributed_sales_1d_same_sku,
    conversion.attributed_sales_7d_same_sku,
    conversion.attributed_sales_14d_same_sku,
    conversion.attributed_sales_30d_same_sku,
    conversion.attributed_units_ordered_1d,
    conversion.attributed_units_ordered_7d,
    conversion.attributed_units_ordered_14d,
    conversion.attributed_units_ordered_30d,
    conversion.attributed_units_ordered_1d_same_sku,
    conversion.attributed_units_ordered_7d_same_sku,
    conversion.attributed_units_ordered_14d_same_sku,
    conversion.attributed_units_ordered_30d_same_sku
FROM traffic
FULL OUTER JOIN conversion
    ON (traffic.window_date IS NOT DISTINCT FROM conversion.window_date)
    AND (traffic.window_start IS NOT DISTINCT FROM conversion.window_start)
    AND (traffic.advertiser_id IS NOT DISTINCT FROM conversion.advertiser_id)
    AND (traffic.marketplace_id IS NOT DISTINCT FROM conversion.marketplace_id)
    AND (traffic.campaign_id IS NOT DISTINCT FROM conversion.campaign_id)
    AND (traffic.ad_group_id IS NOT DISTINCT FROM conversion.ad_group_id)
    AND (traffic.ad_id IS NOT DISTINCT FROM conversion.ad_id)
    AND (traffic.keyword_id IS NOT DISTINCT FROM conversion.keyword_id)
    AND (traffic.placement IS NOT DISTINCT FROM conversion.placement)
    AND (traffic.currency IS NOT DISTINCT FROM conversion.currency)
