-- What the curated tables of the source ads must hold, from the rows of the newest reports alone.

CREATE SCHEMA ads;

CREATE VIEW ads.stated AS
SELECT
    kind,
    owner AS profile_id,
    merchant,
    account_fields['account_type'] AS account_type,
    coalesce(account_fields['marketplace_id'], marketplaces) AS marketplace_id,
    coalesce(fields['campaignBudgetCurrencyCode'], currency) AS currency_code,
    currency AS account_currency,
    activity_date,
    fields['campaignId'] AS campaign_id,
    fields['adGroupId'] AS ad_group_id,
    fields['adId'] AS ad_id,
    fields['keywordId'] AS keyword_id,
    fields['searchTerm'] AS search_term,
    fields['campaignName'] AS campaign_name,
    fields['adGroupName'] AS ad_group_name,
    fields['campaignStatus'] AS campaign_status,
    fields['campaignBudgetType'] AS campaign_budget_type,
    fields['campaignBiddingStrategy'] AS campaign_bidding_strategy,
    fields['campaignApplicableBudgetRuleId'] AS campaign_applicable_budget_rule_id,
    fields['campaignApplicableBudgetRuleName'] AS campaign_applicable_budget_rule_name,
    fields['portfolioId'] AS portfolio_id,
    fields['advertisedAsin'] AS advertised_asin,
    fields['advertisedSku'] AS advertised_sku,
    fields['keyword'] AS keyword,
    fields['keywordType'] AS keyword_type,
    fields['matchType'] AS match_type,
    fields['targeting'] AS targeting,
    fields['adKeywordStatus'] AS ad_keyword_status,
    count_of(fields, 'impressions') AS impressions,
    count_of(fields, 'clicks') AS clicks,
    count_of(fields, 'addToList') AS add_to_list,
    count_of(fields, 'qualifiedBorrows') AS qualified_borrows,
    money_of(fields, 'royaltyQualifiedBorrows') AS royalty_qualified_borrows,
    money_of(fields, 'cost') AS cost,
    money_of(fields, 'spend') AS spend,
    count_of(fields, 'purchases1d') AS purchases_1d,
    count_of(fields, 'purchases7d') AS purchases_7d,
    count_of(fields, 'purchases14d') AS purchases_14d,
    count_of(fields, 'purchases30d') AS purchases_30d,
    count_of(fields, 'purchasesSameSku1d') AS purchases_same_sku_1d,
    count_of(fields, 'purchasesSameSku7d') AS purchases_same_sku_7d,
    count_of(fields, 'purchasesSameSku14d') AS purchases_same_sku_14d,
    count_of(fields, 'purchasesSameSku30d') AS purchases_same_sku_30d,
    count_of(fields, 'unitsSoldClicks1d') AS units_sold_clicks_1d,
    count_of(fields, 'unitsSoldClicks7d') AS units_sold_clicks_7d,
    count_of(fields, 'unitsSoldClicks14d') AS units_sold_clicks_14d,
    count_of(fields, 'unitsSoldClicks30d') AS units_sold_clicks_30d,
    count_of(fields, 'unitsSoldSameSku1d') AS units_sold_same_sku_1d,
    count_of(fields, 'unitsSoldSameSku7d') AS units_sold_same_sku_7d,
    count_of(fields, 'unitsSoldSameSku14d') AS units_sold_same_sku_14d,
    count_of(fields, 'unitsSoldSameSku30d') AS units_sold_same_sku_30d,
    money_of(fields, 'sales1d') AS sales_1d,
    money_of(fields, 'sales7d') AS sales_7d,
    money_of(fields, 'sales14d') AS sales_14d,
    money_of(fields, 'sales30d') AS sales_30d,
    money_of(fields, 'attributedSalesSameSku1d') AS attributed_sales_same_sku_1d,
    money_of(fields, 'attributedSalesSameSku7d') AS attributed_sales_same_sku_7d,
    money_of(fields, 'attributedSalesSameSku14d') AS attributed_sales_same_sku_14d,
    money_of(fields, 'attributedSalesSameSku30d') AS attributed_sales_same_sku_30d,
    count_of(fields, 'kindleEditionNormalizedPagesRead14d') AS kindle_edition_normalized_pages_read_14d,
    money_of(fields, 'kindleEditionNormalizedPagesRoyalties14d') AS kindle_edition_normalized_pages_royalties_14d,
    money_of(fields, 'salesOtherSku7d') AS sales_other_sku_7d,
    count_of(fields, 'unitsSoldOtherSku7d') AS units_sold_other_sku_7d,
    ratio_of(fields, 'costPerClick') AS cost_per_click,
    ratio_of(fields, 'clickThroughRate') AS click_through_rate,
    ratio_of(fields, 'topOfSearchImpressionShare') AS top_of_search_impression_share,
    ratio_of(fields, 'acosClicks7d') AS acos_clicks_7d,
    ratio_of(fields, 'acosClicks14d') AS acos_clicks_14d,
    ratio_of(fields, 'roasClicks7d') AS roas_clicks_7d,
    ratio_of(fields, 'roasClicks14d') AS roas_clicks_14d,
    money_of(fields, 'campaignBudgetAmount') AS campaign_budget_amount,
    money_of(fields, 'campaignRuleBasedBudgetAmount') AS campaign_rule_based_budget_amount,
    money_of(fields, 'keywordBid') AS keyword_bid,
    document_id AS report_id,
    generated_at,
    NULL::MAP(VARCHAR, VARCHAR) AS extra
FROM raw.stated
WHERE source = 'ads';

CREATE TABLE ads.sp_campaigns AS
SELECT * EXCLUDE (
    kind,
    ad_group_id, ad_id, keyword_id, search_term, ad_group_name, portfolio_id, advertised_asin, advertised_sku,
    keyword, keyword_type, match_type, targeting, ad_keyword_status, sales_other_sku_7d,
    units_sold_other_sku_7d, acos_clicks_7d, acos_clicks_14d, roas_clicks_7d, roas_clicks_14d, keyword_bid
)
FROM ads.stated
WHERE kind = 'spCampaigns';

CREATE TABLE ads.sp_search_term AS
SELECT * EXCLUDE (
    kind,
    ad_id, campaign_bidding_strategy, campaign_applicable_budget_rule_id,
    campaign_applicable_budget_rule_name, advertised_asin, advertised_sku, spend,
    top_of_search_impression_share, campaign_rule_based_budget_amount
)
FROM ads.stated
WHERE kind = 'spSearchTerm';

CREATE TABLE ads.sp_advertised_product AS
SELECT * EXCLUDE (
    kind,
    keyword_id, search_term, campaign_bidding_strategy, campaign_applicable_budget_rule_id,
    campaign_applicable_budget_rule_name, keyword, keyword_type, match_type, targeting, ad_keyword_status,
    top_of_search_impression_share, campaign_rule_based_budget_amount, keyword_bid
)
FROM ads.stated
WHERE kind = 'spAdvertisedProduct';

-- Sales count within 14 days of a click for vendors, within 7 for everybody else. Ratios are made of sums.
CREATE TABLE ads.campaign_daily AS
WITH windowed AS (
    SELECT
        *,
        account_type IS NOT DISTINCT FROM 'vendor' AS of_vendor
    FROM ads.sp_campaigns
),
summed AS (
    SELECT
        activity_date,
        profile_id,
        campaign_id,
        coalesce(currency_code, '') AS currency_code,
        'SPONSORED_PRODUCTS' AS ad_product,
        max(merchant) AS merchant,
        coalesce(max(account_type), '') AS account_type,
        coalesce(max(marketplace_id), '') AS marketplace_id,
        max(campaign_name) AS campaign_name,
        sum(impressions)::BIGINT AS impressions,
        sum(clicks)::BIGINT AS clicks,
        sum(cost)::DECIMAL(28, 4) AS cost,
        max(if(of_vendor, 14, 7))::BIGINT AS attribution_days,
        sum(if(of_vendor, purchases_14d, purchases_7d))::BIGINT AS purchases,
        sum(if(of_vendor, units_sold_clicks_14d, units_sold_clicks_7d))::BIGINT AS units,
        sum(if(of_vendor, sales_14d, sales_7d))::DECIMAL(28, 4) AS sales,
        sum(if(of_vendor, attributed_sales_same_sku_14d, attributed_sales_same_sku_7d))::DECIMAL(28, 4) AS sales_same_sku,
        sum(sales_30d)::DECIMAL(28, 4) AS sales_30d,
        max(generated_at) AS generated_at
    FROM windowed
    GROUP BY ALL
)
SELECT
    *,
    clicks::DOUBLE / nullif(impressions::DOUBLE, 0) AS click_through_rate,
    cost::DOUBLE / nullif(clicks::DOUBLE, 0) AS cost_per_click,
    purchases::DOUBLE / nullif(clicks::DOUBLE, 0) AS conversion_rate,
    cost::DOUBLE / nullif(sales::DOUBLE, 0) AS acos,
    sales::DOUBLE / nullif(cost::DOUBLE, 0) AS roas,
    activity_date + 60 < generated_at::DATE AS is_settled
FROM summed;
