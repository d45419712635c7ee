-- The day is what Amazon takes where no granularity was asked for.
SELECT *, coalesce("reportSpecification.reportOptions.dateGranularity", 'DAY') AS granularity
FROM raw
