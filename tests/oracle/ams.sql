-- What the curated tables of the source ams must hold, from raw.messages alone.

CREATE SCHEMA ams;

CREATE MACRO field(message, name) AS json_extract_string(message, '$.' || name);
CREATE MACRO money(text) AS try_cast(text AS DECIMAL(20, 6));
CREATE MACRO whole(text) AS CASE WHEN money(text) = trunc(money(text)) THEN money(text)::BIGINT END;
-- Whether a metric is there and is not a number of its kind.
CREATE MACRO bad_metrics(message) AS list_filter(
    ['clicks', 'impressions', 'cost']
        || list_filter(json_keys(message), lambda name : starts_with(name, 'attributed_')),
    lambda name : field(message, name) IS NOT NULL AND CASE
        WHEN name = 'cost' OR starts_with(name, 'attributed_sales') THEN money(field(message, name)) IS NULL
        ELSE whole(field(message, name)) IS NULL
    END
);

-- One row per good message: a redelivery keeps its id and its hour, a restatement has a new id.
CREATE VIEW ams.delivered AS
SELECT
    dataset,
    message,
    field(message, 'idempotency_id') AS idempotency_id,
    field(message, 'dataset_id') AS dataset_id,
    field(message, 'marketplace_id') AS marketplace_id,
    field(message, 'currency') AS currency,
    field(message, 'advertiser_id') AS advertiser_id,
    field(message, 'campaign_id') AS campaign_id,
    field(message, 'ad_group_id') AS ad_group_id,
    field(message, 'ad_id') AS ad_id,
    field(message, 'keyword_id') AS keyword_id,
    field(message, 'placement') AS placement,
    field(message, 'time_window_start') AS time_window_start,
    try_cast(field(message, 'time_window_start') AS TIMESTAMPTZ) AS window_start,
    try_cast(left(field(message, 'time_window_start'), 10) AS DATE) AS window_date
FROM raw.messages
WHERE dataset IN ('sp-traffic', 'sp-conversion') AND trim(field(message, 'idempotency_id')) <> ''
    AND trim(field(message, 'dataset_id')) <> '' AND bad_metrics(message) = []
    AND try_cast(field(message, 'time_window_start') AS TIMESTAMPTZ) IS NOT NULL
QUALIFY row_number() OVER (
    PARTITION BY dataset, dataset_id, idempotency_id, window_date ORDER BY path, row
) = 1;

CREATE TABLE ams.sp_traffic AS
SELECT
    * EXCLUDE (dataset, message),
    field(message, 'keyword_text') AS keyword_text,
    field(message, 'match_type') AS match_type,
    whole(field(message, 'clicks')) AS clicks,
    whole(field(message, 'impressions')) AS impressions,
    money(field(message, 'cost')) AS cost,
    NULL::MAP(VARCHAR, VARCHAR) AS extra
FROM ams.delivered
WHERE dataset = 'sp-traffic';

CREATE TABLE ams.sp_conversion AS
SELECT
    * EXCLUDE (dataset, message),
    whole(field(message, 'attributed_conversions_1d')) AS attributed_conversions_1d,
    whole(field(message, 'attributed_conversions_7d')) AS attributed_conversions_7d,
    whole(field(message, 'attributed_conversions_14d')) AS attributed_conversions_14d,
    whole(field(message, 'attributed_conversions_30d')) AS attributed_conversions_30d,
    whole(field(message, 'attributed_conversions_1d_same_sku')) AS attributed_conversions_1d_same_sku,
    whole(field(message, 'attributed_conversions_7d_same_sku')) AS attributed_conversions_7d_same_sku,
    whole(field(message, 'attributed_conversions_14d_same_sku')) AS attributed_conversions_14d_same_sku,
    whole(field(message, 'attributed_conversions_30d_same_sku')) AS attributed_conversions_30d_same_sku,
    money(field(message, 'attributed_sales_1d')) AS attributed_sales_1d,
    money(field(message, 'attributed_sales_7d')) AS attributed_sales_7d,
    money(field(message, 'attributed_sales_14d')) AS attributed_sales_14d,
    money(field(message, 'attributed_sales_30d')) AS attributed_sales_30d,
    money(field(message, 'attributed_sales_1d_same_sku')) AS attributed_sales_1d_same_sku,
    money(field(message, 'attributed_sales_7d_same_sku')) AS attributed_sales_7d_same_sku,
    money(field(message, 'attributed_sales_14d_same_sku')) AS attributed_sales_14d_same_sku,
    money(field(message, 'attributed_sales_30d_same_sku')) AS attributed_sales_30d_same_sku,
    whole(field(message, 'attributed_units_ordered_1d')) AS attributed_units_ordered_1d,
    whole(field(message, 'attributed_units_ordered_7d')) AS attributed_units_ordered_7d,
    whole(field(message, 'attributed_units_ordered_14d')) AS attributed_units_ordered_14d,
    whole(field(message, 'attributed_units_ordered_30d')) AS attributed_units_ordered_30d,
    whole(field(message, 'attributed_units_ordered_1d_same_sku')) AS attributed_units_ordered_1d_same_sku,
    whole(field(message, 'attributed_units_ordered_7d_same_sku')) AS attributed_units_ordered_7d_same_sku,
    whole(field(message, 'attributed_units_ordered_14d_same_sku')) AS attributed_units_ordered_14d_same_sku,
    whole(field(message, 'attributed_units_ordered_30d_same_sku')) AS attributed_units_ordered_30d_same_sku,
    NULL::MAP(VARCHAR, VARCHAR) AS extra
FROM ams.delivered
WHERE dataset = 'sp-conversion';

-- Sums over all messages; what has no keyword or no placement is summed, too.
CREATE TABLE ams.sp_hourly AS
WITH traffic AS (
    SELECT
        window_date,
        window_start,
        coalesce(COLUMNS(['advertiser_id', 'marketplace_id', 'campaign_id', 'ad_group_id', 'ad_id', 'keyword_id',
            'placement', 'currency']), ''),
        max(keyword_text) FILTER (keyword_text <> 'Placeholder keyword') AS keyword_text,
        max(match_type) AS match_type,
        sum(clicks)::DECIMAL(29, 0) AS clicks,
        sum(impressions)::DECIMAL(29, 0) AS impressions,
        sum(cost)::DECIMAL(30, 6) AS cost
    FROM ams.sp_traffic
    WHERE window_date IS NOT NULL AND window_start IS NOT NULL
    GROUP BY ALL
),
conversion AS (
    SELECT
        window_date,
        window_start,
        coalesce(COLUMNS(['advertiser_id', 'marketplace_id', 'campaign_id', 'ad_group_id', 'ad_id', 'keyword_id',
            'placement', 'currency']), ''),
        sum(COLUMNS('attributed_(conversions|units_ordered).*'))::DECIMAL(29, 0),
        sum(COLUMNS('attributed_sales.*'))::DECIMAL(30, 6)
    FROM ams.sp_conversion
    WHERE window_date IS NOT NULL AND window_start IS NOT NULL
    GROUP BY ALL
)
SELECT
    * EXCLUDE (of_traffic, of_conversion),
    coalesce(of_traffic, false) AS has_traffic,
    coalesce(of_conversion, false) AS has_conversion
FROM (SELECT *, true AS of_traffic FROM traffic)
FULL JOIN (SELECT *, true AS of_conversion FROM conversion) USING (
    window_date, window_start, advertiser_id, marketplace_id, campaign_id, ad_group_id, ad_id, keyword_id, placement,
    currency
);

-- The whole row of the greatest version; nested objects are fields by path, arrays stay text.
CREATE TABLE ams.campaigns AS
SELECT
    field(message, 'advertiser_id') AS advertiser_id,
    field(message, 'marketplace_id') AS marketplace_id,
    field(message, 'campaignId') AS campaign_id,
    whole(field(message, 'version')) AS version,
    field(message, 'dataset_id') AS dataset_id,
    field(message, 'accountId') AS account_id,
    field(message, 'portfolioId') AS portfolio_id,
    field(message, 'adProduct') AS ad_product,
    field(message, 'productLocation') AS product_location,
    field(message, 'name') AS name,
    try_cast(field(message, 'startDateTime') AS TIMESTAMPTZ) AS start_at,
    try_cast(field(message, 'endDateTime') AS TIMESTAMPTZ) AS end_at,
    field(message, 'state') AS state,
    field(message, 'targetingSettings') AS targeting,
    NULL::VARCHAR AS tags_json,
    money(field(message, 'budget.budgetCap.monetaryBudget.amount')) AS budget_amount,
    field(message, 'budget.budgetCap.monetaryBudget.currencyCode') AS budget_currency,
    field(message, 'budget.budgetCap.recurrence.recurrenceType') AS budget_period,
    coalesce(
        field(message, 'bidSetting.bidStrategy'),
        field(message, 'budget.bidSetting.bidStrategy')
    ) AS bid_strategy,
    coalesce(
        field(message, 'bidSetting.placementBidAdjustment'),
        field(message, 'budget.bidSetting.placementBidAdjustment')
    ) AS placement_bid_json,
    coalesce(
        field(message, 'bidSetting.shopperCohortBidAdjustment'),
        field(message, 'budget.bidSetting.shopperCohortBidAdjustment')
    ) AS cohort_bid_json,
    try_cast(field(message, 'audit.creationDateTime') AS TIMESTAMPTZ) AS created_at,
    try_cast(field(message, 'audit.lastUpdatedDateTime') AS TIMESTAMPTZ) AS updated_at,
    map_from_entries(list_transform(json_keys(message, '$.tags'), lambda name :
        ('tags.' || name, json_extract_string(message, '$.tags.' || name)))) AS extra
FROM raw.messages
WHERE dataset = 'campaigns' AND trim(field(message, 'advertiser_id')) <> ''
    AND trim(field(message, 'marketplace_id')) <> '' AND trim(field(message, 'campaignId')) <> ''
QUALIFY row_number() OVER (
    PARTITION BY field(message, 'advertiser_id'), field(message, 'marketplace_id'), field(message, 'campaignId')
    ORDER BY version DESC NULLS LAST, updated_at DESC NULLS LAST, generated_at DESC, modified DESC, row DESC
) = 1;
