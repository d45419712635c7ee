-- A vendor account belongs to one marketplace; a list of several stays a list.
SELECT
    *,
    regexp_replace("reportSpecification.marketplaceIds", '^\s*\[\s*"([^"]*)"\s*\]\s*$', '\1') AS reported_marketplace
FROM raw
