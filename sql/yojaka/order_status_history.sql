WITH said AS (
    SELECT
        stage, merchant_id, order_id, status, event_at, event_id, processing_source,
        row_number() OVER (
            PARTITION BY stage, merchant_id, order_id, status ORDER BY event_at, event_id
        ) AS by_time,
        row_number() OVER (
            PARTITION BY stage, merchant_id, order_id, status ORDER BY processing_source IS NULL, event_at, event_id
        ) AS by_source
    FROM yojaka.events
    WHERE order_id IS NOT NULL AND merchant_id IS NOT NULL AND status IS NOT NULL
)
SELECT
    stage,
    merchant_id,
    order_id,
    status,
    min(event_at) AS first_seen_at,
    max(event_at) AS last_seen_at,
    count(*) AS event_count,
    max(event_id) FILTER (WHERE by_time = 1) AS first_event_id,
    max(processing_source) FILTER (WHERE by_source = 1) AS processing_source
FROM said
GROUP BY stage, merchant_id, order_id, status
