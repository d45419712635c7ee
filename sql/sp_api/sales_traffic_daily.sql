SELECT
    *,
    regexp_replace("reportSpecification.marketplaceIds", '^\s*\[\s*"([^"]*)"\s*\]\s*$', '\1') AS reported_marketplace,
    coalesce("reportSpecification.reportOptions.dateGranularity", 'DAY') AS granularity
FROM raw
