-- Time is to the second: of equal times the state that is further on wins, then the greater event id. States that are
-- not documented stand between those of processing and those of the end.
WITH said AS (
    SELECT
        stage, merchant_id, order_id, event_id, event_at, status, location_id, processing_source,
        CASE status
            WHEN 'CREATED' THEN 0
            WHEN 'UNFULFILLABLE' THEN 0
            WHEN 'ACCEPTED' THEN 1
            WHEN 'CONFIRMED' THEN 2
            WHEN 'PACKAGE_CREATED' THEN 3
            WHEN 'PICKUP_SLOT_RETRIEVED' THEN 4
            WHEN 'INVOICE_GENERATED' THEN 5
            WHEN 'SHIPLABEL_GENERATED' THEN 6
            WHEN 'SHIPPED' THEN 8
            WHEN 'DELIVERED' THEN 9
            WHEN 'CANCELLED' THEN 10
            ELSE 7
        END AS rank
    FROM yojaka.events
    WHERE order_id IS NOT NULL AND merchant_id IS NOT NULL
),
ranked AS (
    SELECT
        *,
        row_number() OVER (
            PARTITION BY stage, merchant_id, order_id ORDER BY status IS NULL, event_at DESC, rank DESC, event_id DESC
        ) AS by_status,
        row_number() OVER (
            PARTITION BY stage, merchant_id, order_id ORDER BY location_id IS NULL, event_at DESC, rank DESC, event_id DESC
        ) AS by_location,
        row_number() OVER (
            PARTITION BY stage, merchant_id, order_id
            ORDER BY processing_source IS NULL, event_at DESC, rank DESC, event_id DESC
        ) AS by_source
    FROM said
)
SELECT
    stage,
    merchant_id,
    order_id,
    max(status) FILTER (WHERE by_status = 1) AS status,
    max(event_at) FILTER (WHERE by_status = 1 AND status IS NOT NULL) AS status_at,
    max(location_id) FILTER (WHERE by_location = 1) AS location_id,
    max(processing_source) FILTER (WHERE by_source = 1) AS processing_source,
    min(event_at) FILTER (WHERE status IN ('CREATED', 'UNFULFILLABLE')) AS created_at,
    min(event_at) FILTER (WHERE status = 'DELIVERED') AS delivered_at,
    min(event_at) FILTER (WHERE status = 'CANCELLED') AS cancelled_at,
    count(*) FILTER (WHERE status = 'UNFULFILLABLE') > 0 AS is_unfulfillable,
    min(event_at) AS first_event_at,
    max(event_at) AS last_event_at,
    count(*) AS event_count
FROM ranked
GROUP BY stage, merchant_id, order_id
