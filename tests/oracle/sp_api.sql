-- What the curated tables of the source sp_api must hold, from raw.documents and raw.report_rows alone.

CREATE SCHEMA sp_api;

CREATE TABLE sp_api.vendor_sales AS
SELECT
    owner AS vendor_id,
    merchant,
    marketplace_id,
    report_period,
    distributor_view,
    selling_program,
    activity_date,
    try_cast(fields['endDate'] AS DATE) AS end_date,
    fields['asin'] AS asin,
    count_of(fields, 'customerReturns') AS customer_returns,
    money_of(fields, 'orderedRevenue.amount') AS ordered_revenue,
    fields['orderedRevenue.currencyCode'] AS ordered_revenue_currency,
    count_of(fields, 'orderedUnits') AS ordered_units,
    money_of(fields, 'shippedCogs.amount') AS shipped_cogs,
    fields['shippedCogs.currencyCode'] AS shipped_cogs_currency,
    money_of(fields, 'shippedRevenue.amount') AS shipped_revenue,
    fields['shippedRevenue.currencyCode'] AS shipped_revenue_currency,
    count_of(fields, 'shippedUnits') AS shipped_units,
    last_updated_date,
    stated_type AS report_type,
    requested_from,
    requested_to,
    document_id AS report_id,
    generated_at,
    NULL::MAP(VARCHAR, VARCHAR) AS extra
FROM raw.stated
WHERE kind = 'GET_VENDOR_SALES_REPORT' AND end_date >= activity_date;

CREATE TABLE sp_api.vendor_inventory AS
SELECT
    owner AS vendor_id,
    merchant,
    marketplace_id,
    report_period,
    distributor_view,
    selling_program,
    activity_date,
    try_cast(fields['endDate'] AS DATE) AS end_date,
    fields['asin'] AS asin,
    ratio_of(fields, 'vendorConfirmationRate') AS vendor_confirmation_rate,
    money_of(fields, 'netReceivedInventoryCost.amount') AS net_received_inventory_cost,
    fields['netReceivedInventoryCost.currencyCode'] AS net_received_inventory_cost_currency,
    count_of(fields, 'netReceivedInventoryUnits') AS net_received_inventory_units,
    count_of(fields, 'openPurchaseOrderUnits') AS open_purchase_order_units,
    ratio_of(fields, 'averageVendorLeadTimeDays') AS average_vendor_lead_time_days,
    ratio_of(fields, 'sellThroughRate') AS sell_through_rate,
    count_of(fields, 'unfilledCustomerOrderedUnits') AS unfilled_customer_ordered_units,
    money_of(fields, 'sellableOnHandInventoryCost.amount') AS sellable_on_hand_inventory_cost,
    fields['sellableOnHandInventoryCost.currencyCode'] AS sellable_on_hand_inventory_cost_currency,
    count_of(fields, 'sellableOnHandInventoryUnits') AS sellable_on_hand_inventory_units,
    money_of(fields, 'unsellableOnHandInventoryCost.amount') AS unsellable_on_hand_inventory_cost,
    fields['unsellableOnHandInventoryCost.currencyCode'] AS unsellable_on_hand_inventory_cost_currency,
    count_of(fields, 'unsellableOnHandInventoryUnits') AS unsellable_on_hand_inventory_units,
    money_of(fields, 'aged90PlusDaysSellableInventoryCost.amount') AS aged90_plus_days_sellable_inventory_cost,
    fields['aged90PlusDaysSellableInventoryCost.currencyCode'] AS aged90_plus_days_sellable_inventory_cost_currency,
    count_of(fields, 'aged90PlusDaysSellableInventoryUnits') AS aged90_plus_days_sellable_inventory_units,
    money_of(fields, 'unhealthyInventoryCost.amount') AS unhealthy_inventory_cost,
    fields['unhealthyInventoryCost.currencyCode'] AS unhealthy_inventory_cost_currency,
    count_of(fields, 'unhealthyInventoryUnits') AS unhealthy_inventory_units,
    ratio_of(fields, 'procurableProductOutOfStockRate') AS procurable_product_out_of_stock_rate,
    ratio_of(fields, 'receiveFillRate') AS receive_fill_rate,
    ratio_of(fields, 'uft') AS uft,
    last_updated_date,
    stated_type AS report_type,
    requested_from,
    requested_to,
    document_id AS report_id,
    generated_at,
    NULL::MAP(VARCHAR, VARCHAR) AS extra
FROM raw.stated
WHERE kind = 'GET_VENDOR_INVENTORY_REPORT' AND end_date >= activity_date;

CREATE TABLE sp_api.sales_traffic_daily AS
SELECT
    owner AS seller_id,
    merchant,
    marketplace_id,
    date_granularity,
    activity_date,
    money_of(fields, 'salesByDate.orderedProductSales.amount') AS ordered_product_sales,
    fields['salesByDate.orderedProductSales.currencyCode'] AS ordered_product_sales_currency,
    money_of(fields, 'salesByDate.orderedProductSalesB2B.amount') AS ordered_product_sales_b2b,
    fields['salesByDate.orderedProductSalesB2B.currencyCode'] AS ordered_product_sales_b2b_currency,
    count_of(fields, 'salesByDate.unitsOrdered') AS units_ordered,
    count_of(fields, 'salesByDate.unitsOrderedB2B') AS units_ordered_b2b,
    count_of(fields, 'salesByDate.totalOrderItems') AS total_order_items,
    count_of(fields, 'salesByDate.totalOrderItemsB2B') AS total_order_items_b2b,
    money_of(fields, 'salesByDate.averageSalesPerOrderItem.amount') AS average_sales_per_order_item,
    fields['salesByDate.averageSalesPerOrderItem.currencyCode'] AS average_sales_per_order_item_currency,
    money_of(fields, 'salesByDate.averageSalesPerOrderItemB2B.amount') AS average_sales_per_order_item_b2b,
    fields['salesByDate.averageSalesPerOrderItemB2B.currencyCode'] AS average_sales_per_order_item_b2b_currency,
    ratio_of(fields, 'salesByDate.averageUnitsPerOrderItem') AS average_units_per_order_item,
    ratio_of(fields, 'salesByDate.averageUnitsPerOrderItemB2B') AS average_units_per_order_item_b2b,
    money_of(fields, 'salesByDate.averageSellingPrice.amount') AS average_selling_price,
    fields['salesByDate.averageSellingPrice.currencyCode'] AS average_selling_price_currency,
    money_of(fields, 'salesByDate.averageSellingPriceB2B.amount') AS average_selling_price_b2b,
    fields['salesByDate.averageSellingPriceB2B.currencyCode'] AS average_selling_price_b2b_currency,
    count_of(fields, 'salesByDate.unitsRefunded') AS units_refunded,
    ratio_of(fields, 'salesByDate.refundRate') AS refund_rate,
    count_of(fields, 'salesByDate.claimsGranted') AS claims_granted,
    money_of(fields, 'salesByDate.claimsAmount.amount') AS claims_amount,
    fields['salesByDate.claimsAmount.currencyCode'] AS claims_amount_currency,
    money_of(fields, 'salesByDate.shippedProductSales.amount') AS shipped_product_sales,
    fields['salesByDate.shippedProductSales.currencyCode'] AS shipped_product_sales_currency,
    count_of(fields, 'salesByDate.unitsShipped') AS units_shipped,
    count_of(fields, 'salesByDate.ordersShipped') AS orders_shipped,
    count_of(fields, 'trafficByDate.browserPageViews') AS browser_page_views,
    count_of(fields, 'trafficByDate.browserPageViewsB2B') AS browser_page_views_b2b,
    count_of(fields, 'trafficByDate.mobileAppPageViews') AS mobile_app_page_views,
    count_of(fields, 'trafficByDate.mobileAppPageViewsB2B') AS mobile_app_page_views_b2b,
    count_of(fields, 'trafficByDate.pageViews') AS page_views,
    count_of(fields, 'trafficByDate.pageViewsB2B') AS page_views_b2b,
    count_of(fields, 'trafficByDate.browserSessions') AS browser_sessions,
    count_of(fields, 'trafficByDate.browserSessionsB2B') AS browser_sessions_b2b,
    count_of(fields, 'trafficByDate.mobileAppSessions') AS mobile_app_sessions,
    count_of(fields, 'trafficByDate.mobileAppSessionsB2B') AS mobile_app_sessions_b2b,
    count_of(fields, 'trafficByDate.sessions') AS sessions,
    count_of(fields, 'trafficByDate.sessionsB2B') AS sessions_b2b,
    ratio_of(fields, 'trafficByDate.buyBoxPercentage') AS buy_box_percentage,
    ratio_of(fields, 'trafficByDate.buyBoxPercentageB2B') AS buy_box_percentage_b2b,
    ratio_of(fields, 'trafficByDate.orderItemSessionPercentage') AS order_item_session_percentage,
    ratio_of(fields, 'trafficByDate.orderItemSessionPercentageB2B') AS order_item_session_percentage_b2b,
    ratio_of(fields, 'trafficByDate.unitSessionPercentage') AS unit_session_percentage,
    ratio_of(fields, 'trafficByDate.unitSessionPercentageB2B') AS unit_session_percentage_b2b,
    count_of(fields, 'trafficByDate.averageOfferCount') AS average_offer_count,
    count_of(fields, 'trafficByDate.averageParentItems') AS average_parent_items,
    count_of(fields, 'trafficByDate.feedbackReceived') AS feedback_received,
    count_of(fields, 'trafficByDate.negativeFeedbackReceived') AS negative_feedback_received,
    ratio_of(fields, 'trafficByDate.receivedNegativeFeedbackRate') AS received_negative_feedback_rate,
    asin_granularity,
    stated_type AS report_type,
    requested_from,
    requested_to,
    document_id AS report_id,
    generated_at,
    NULL::MAP(VARCHAR, VARCHAR) AS extra
FROM raw.stated
WHERE kind = 'GET_SALES_AND_TRAFFIC_REPORT';

-- An order is as the report with its last update states it, with all its rows there; equal rows are different items.
CREATE TABLE sp_api.orders AS
WITH reported AS (
    SELECT
        owner AS seller_id,
        merchant,
        timezone('UTC', try_cast(rows.fields['purchase-date'] AS TIMESTAMPTZ))::DATE AS purchase_date,
        rows.fields['amazon-order-id'] AS amazon_order_id,
        row_number() OVER (PARTITION BY path, rows.fields['amazon-order-id'] ORDER BY row) AS item_ordinal,
        try_cast(rows.fields['last-updated-date'] AS TIMESTAMPTZ) AS last_updated_at,
        path,
        is_known,
        document_id AS report_id,
        generated_at,
        rows.fields AS fields
    FROM raw.scoped JOIN raw.report_rows AS rows USING (path)
    WHERE kind = 'GET_FLAT_FILE_ALL_ORDERS_DATA_BY_LAST_UPDATE_GENERAL'
),
newest AS (
    SELECT seller_id, purchase_date, amazon_order_id, path
    FROM reported
    WHERE purchase_date IS NOT NULL AND amazon_order_id IS NOT NULL
    GROUP BY seller_id, purchase_date, amazon_order_id, path
    QUALIFY row_number() OVER (
        PARTITION BY seller_id, purchase_date, amazon_order_id
        ORDER BY max(last_updated_at) DESC NULLS LAST, max(is_known) DESC, max(generated_at) DESC, max(report_id) DESC, path
    ) = 1
)
SELECT
    seller_id,
    merchant,
    purchase_date,
    amazon_order_id,
    item_ordinal,
    fields['order-item-id'] AS order_item_id,
    fields['merchant-order-id'] AS merchant_order_id,
    try_cast(fields['purchase-date'] AS TIMESTAMPTZ) AS purchased_at,
    last_updated_at,
    fields['order-status'] AS order_status,
    fields['fulfillment-channel'] AS fulfillment_channel,
    fields['sales-channel'] AS sales_channel,
    fields['order-channel'] AS order_channel,
    fields['ship-service-level'] AS ship_service_level,
    fields['product-name'] AS product_name,
    fields['sku'] AS sku,
    fields['asin'] AS asin,
    fields['item-status'] AS item_status,
    count_of(fields, 'quantity') AS quantity,
    fields['currency'] AS currency,
    money_of(fields, 'item-price') AS item_price,
    money_of(fields, 'item-tax') AS item_tax,
    money_of(fields, 'shipping-price') AS shipping_price,
    money_of(fields, 'shipping-tax') AS shipping_tax,
    money_of(fields, 'gift-wrap-price') AS gift_wrap_price,
    money_of(fields, 'gift-wrap-tax') AS gift_wrap_tax,
    money_of(fields, 'item-promotion-discount') AS item_promotion_discount,
    money_of(fields, 'ship-promotion-discount') AS ship_promotion_discount,
    fields['ship-state'] AS ship_state,
    fields['ship-country'] AS ship_country,
    fields['promotion-ids'] AS promotion_ids,
    try_cast(fields['is-business-order'] AS BOOLEAN) AS is_business_order,
    fields['purchase-order-number'] AS purchase_order_number,
    fields['price-designation'] AS price_designation,
    try_cast(fields['signature-confirmation-recommended'] AS BOOLEAN) AS signature_recommended,
    -- Where somebody lives is never stored.
    NULL::VARCHAR AS personal_details,
    report_id,
    generated_at,
    NULL::MAP(VARCHAR, VARCHAR) AS extra
FROM reported JOIN newest USING (seller_id, purchase_date, amazon_order_id, path);

-- 1.234,56 and 31.12.2026, or as the rest of the world writes them.
CREATE MACRO settled_money(text) AS try_cast(
    if(regexp_matches(text, ',[0-9]{1,2}$'), replace(replace(text, '.', ''), ',', '.'), text) AS DECIMAL(18, 4)
);
CREATE MACRO settled_instant(text) AS coalesce(
    timezone('UTC', try_strptime(text, '%d.%m.%Y %H:%M:%S UTC')), try_cast(text AS TIMESTAMPTZ)
);

-- A settlement is as one report states it: the newest. Its first row has the total, the others an amount each.
CREATE TABLE sp_api.settlement AS
WITH reported AS (
    SELECT
        owner AS seller_id,
        merchant,
        rows.fields['settlement-id'] AS settlement_id,
        row AS row_ordinal,
        path,
        is_known,
        document_id AS report_id,
        generated_at,
        rows.fields AS fields
    FROM raw.scoped JOIN raw.report_rows AS rows USING (path)
    WHERE kind = 'GET_V2_SETTLEMENT_REPORT_DATA_FLAT_FILE_V2'
),
newest AS (
    SELECT DISTINCT ON (seller_id, settlement_id) seller_id, settlement_id, path
    FROM reported
    ORDER BY seller_id, settlement_id, is_known DESC, generated_at DESC, report_id DESC, path
),
heads AS (
    SELECT
        path,
        settlement_id,
        max(fields['settlement-start-date']) AS started,
        max(fields['settlement-end-date']) AS ended,
        max(fields['deposit-date']) AS deposited,
        max(fields['currency']) AS currency,
        sum(settled_money(fields['amount'])) AS amount_sum
    FROM reported
    GROUP BY ALL
)
SELECT
    seller_id,
    merchant,
    settlement_id,
    row_ordinal,
    fields['total-amount'] IS NOT NULL AND fields['amount'] IS NULL AS is_total,
    settled_instant(started) AS started_at,
    settled_instant(ended) AS ended_at,
    settled_instant(deposited) AS deposited_at,
    settled_money(fields['total-amount']) AS total_amount,
    heads.currency,
    fields['transaction-type'] AS transaction_type,
    fields['order-id'] AS order_id,
    fields['merchant-order-id'] AS merchant_order_id,
    fields['adjustment-id'] AS adjustment_id,
    fields['shipment-id'] AS shipment_id,
    fields['marketplace-name'] AS marketplace_name,
    fields['amount-type'] AS amount_type,
    fields['amount-description'] AS amount_description,
    settled_money(fields['amount']) AS amount,
    fields['fulfillment-id'] AS fulfillment_id,
    settled_instant(fields['posted-date-time']) AS posted_at,
    fields['order-item-code'] AS order_item_code,
    fields['merchant-order-item-id'] AS merchant_order_item_id,
    fields['merchant-adjustment-item-id'] AS merchant_adjustment_item_id,
    fields['sku'] AS sku,
    count_of(fields, 'quantity-purchased') AS quantity_purchased,
    fields['promotion-id'] AS promotion_id,
    fields['posted-date'] AS posted_date,
    if(is_total, heads.amount_sum, NULL)::DECIMAL(28, 4) AS amount_sum,
    report_id,
    generated_at,
    NULL::MAP(VARCHAR, VARCHAR) AS extra
FROM reported
JOIN newest USING (seller_id, settlement_id, path)
JOIN heads USING (path, settlement_id);
