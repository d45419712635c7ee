-- Passwords may be absent, null or empty on the first publication of an event.
SELECT
    *,
    CASE account WHEN '096882763573' THEN 'production' WHEN '227455371037' THEN 'sandbox' ELSE 'unknown' END AS stage,
    coalesce("detail.locationId", "detail.returnLocationId") AS location_id,
    CASE "detail-type"
        WHEN 'Orders.Created' THEN 'CREATED'
        WHEN 'Orders.Unfulfillable' THEN 'UNFULFILLABLE'
        WHEN 'Orders.Cancelled' THEN 'CANCELLED'
        WHEN 'Orders.Delivered' THEN 'DELIVERED'
        WHEN 'Orders.Updated' THEN "detail.metadata.status"
        WHEN 'Returns.Created' THEN 'CREATED'
        WHEN 'Returns.OutForDelivery' THEN 'OUT_FOR_DELIVERY'
        WHEN 'Returns.Updated' THEN "detail.metadata.returnStatus"
    END AS status,
    CASE
        WHEN coalesce("*.otp", "*.one_time_password", "*.one_time_passcode", "*.one_time_code", "*.one_time_pin", "*.passcode", '') <> '' THEN true
        WHEN "detail-type" = 'Returns.OutForDelivery' THEN false
    END AS otp_present
FROM raw
