-- What the curated tables of the source yojaka must hold, from raw.messages alone.

CREATE SCHEMA yojaka;

-- Every event once, by its id; an event without a seller, or about an order or a return that it does not name, is none.
CREATE TABLE yojaka.events AS
WITH read AS (
    SELECT
        path,
        row,
        message,
        field(message, 'id') AS event_id,
        field(message, '"detail-type"') AS detail_type,
        field(message, 'detail.merchantId') AS merchant_id,
        field(message, 'detail.orderId') AS order_id,
        field(message, 'detail.returnId') AS return_id,
        try_cast(field(message, 'time') AS TIMESTAMPTZ) AS event_at
    FROM raw.messages
    WHERE dataset = 'yojaka'
)
SELECT
    event_id,
    detail_type,
    CASE field(message, 'account')
        WHEN '096882763573' THEN 'production'
        WHEN '227455371037' THEN 'sandbox'
        ELSE 'unknown'
    END AS stage,
    field(message, 'account') AS aws_account,
    field(message, 'source') AS source,
    field(message, 'region') AS region,
    field(message, 'version') AS event_version,
    event_at,
    timezone('UTC', event_at)::DATE AS event_date,
    merchant_id,
    order_id,
    return_id,
    coalesce(field(message, 'detail.locationId'), field(message, 'detail.returnLocationId')) AS location_id,
    CASE
        WHEN detail_type = 'Orders.Updated' THEN field(message, 'detail.metadata.status')
        WHEN detail_type = 'Returns.Updated' THEN field(message, 'detail.metadata.returnStatus')
        WHEN detail_type = 'Returns.OutForDelivery' THEN 'OUT_FOR_DELIVERY'
        WHEN detail_type IN ('Orders.Created', 'Orders.Unfulfillable', 'Orders.Cancelled', 'Orders.Delivered', 'Returns.Created')
            THEN upper(split_part(detail_type, '.', 2))
    END AS status,
    field(message, 'detail.metadata.processingSource') AS processing_source,
    field(message, 'detail.returnTrackingInfo.reverseLegTrackingId') AS reverse_tracking_id,
    field(message, 'detail.returnTrackingInfo.carrierName') AS carrier_name,
    field(message, 'detail.locationDetails') AS locations_json,
    if(detail_type = 'Returns.OutForDelivery', coalesce(field(message, 'detail.otp'), '') <> '', NULL) AS otp_present,
    field(message, 'resources') AS resources_json,
    -- Whoever has a password can fetch the parcel: it is never stored.
    NULL::VARCHAR AS one_time_password,
    NULL::MAP(VARCHAR, VARCHAR) AS extra
FROM read
WHERE event_id IS NOT NULL AND merchant_id IS NOT NULL AND event_at IS NOT NULL
    AND (detail_type NOT LIKE 'Orders.%' OR order_id IS NOT NULL)
    AND (detail_type NOT LIKE 'Returns.%' OR return_id IS NOT NULL)
QUALIFY row_number() OVER (PARTITION BY event_id ORDER BY path, row) = 1;

-- How far on a state is; only of events in one second the one that is further on is the newer.
CREATE MACRO rank_of(status) AS coalesce(list_position(
    ['ACCEPTED', 'CONFIRMED', 'PACKAGE_CREATED', 'PICKUP_SLOT_RETRIEVED', 'INVOICE_GENERATED', 'SHIPLABEL_GENERATED',
        '?', 'SHIPPED', 'DELIVERED', 'CANCELLED'],
    status
), if(status IN ('CREATED', 'UNFULFILLABLE'), 0, 7));

CREATE TABLE yojaka.orders AS
SELECT
    stage,
    merchant_id,
    order_id,
    arg_max(status, newest) AS status,
    max(event_at) FILTER (status IS NOT NULL) AS status_at,
    arg_max(location_id, newest) AS location_id,
    arg_max(processing_source, newest) AS processing_source,
    min(event_at) FILTER (status IN ('CREATED', 'UNFULFILLABLE')) AS created_at,
    min(event_at) FILTER (status = 'DELIVERED') AS delivered_at,
    min(event_at) FILTER (status = 'CANCELLED') AS cancelled_at,
    bool_or(coalesce(status = 'UNFULFILLABLE', false)) AS is_unfulfillable,
    min(event_at) AS first_event_at,
    max(event_at) AS last_event_at,
    count(*) AS event_count
FROM (SELECT *, row(event_at, rank_of(status), event_id) AS newest FROM yojaka.events)
WHERE order_id IS NOT NULL
GROUP BY ALL;

CREATE TABLE yojaka.order_status_history AS
SELECT
    stage,
    merchant_id,
    order_id,
    status,
    min(event_at) AS first_seen_at,
    max(event_at) AS last_seen_at,
    count(*) AS event_count,
    arg_min(event_id, row(event_at, event_id)) AS first_event_id,
    arg_min(processing_source, row(event_at, event_id)) AS processing_source
FROM yojaka.events
WHERE order_id IS NOT NULL AND status IS NOT NULL
GROUP BY ALL;
