SELECT
    h.window_date,
    h.window_start,
    h.advertiser_id,
    h.marketplace_id,
    h.campaign_id,
    max(c.name) AS campaign_name,
    h.currency,
    sum(h.impressions) AS impressions,
    sum(h.clicks) AS clicks,
    sum(h.cost) AS cost,
    sum(h.attributed_conversions_14d) AS attributed_conversions_14d,
    sum(h.attributed_sales_14d) AS attributed_sales_14d
FROM ams.sp_hourly h
LEFT JOIN ams.campaigns c
    ON c.advertiser_id = h.advertiser_id AND c.marketplace_id = h.marketplace_id AND c.campaign_id = h.campaign_id
GROUP BY h.window_date, h.window_start, h.advertiser_id, h.marketplace_id, h.campaign_id, h.currency
