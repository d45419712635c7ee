-- What reports have in common, from raw.documents and raw.report_rows alone: of which days each speaks, and which is the
-- newest. A document whose time is known comes after every one whose time is guessed from its path.

CREATE MACRO count_of(fields, name) AS try_cast(fields[name] AS BIGINT);
CREATE MACRO money_of(fields, name) AS try_cast(fields[name] AS DECIMAL(18, 4));
CREATE MACRO ratio_of(fields, name) AS try_cast(fields[name] AS DOUBLE);

-- The days that a document was asked for, by its manifest; reports to vendors say so themselves.
CREATE VIEW raw.asked AS
SELECT
    path,
    coalesce(asked_from, CASE WHEN starts_with(kind, 'GET_VENDOR') THEN
        try_cast(head['reportSpecification.dataStartTime'] AS DATE) END) AS first,
    coalesce(asked_to, CASE WHEN starts_with(kind, 'GET_VENDOR') THEN
        try_cast(head['reportSpecification.dataEndTime'] AS DATE) END) AS last
FROM raw.documents;

-- A document speaks of the days that it was asked for, else of those that it has rows of.
CREATE VIEW raw.days AS
SELECT path, unnest(generate_series(first, last, INTERVAL 1 day))::DATE AS day
FROM raw.asked
WHERE first IS NOT NULL
UNION
SELECT path, try_cast(coalesce(fields['date'], fields['startDate']) AS DATE) AS day
FROM raw.report_rows
WHERE path IN (SELECT path FROM raw.asked WHERE first IS NULL)
    AND coalesce(fields['date'], fields['startDate']) IS NOT NULL;

-- What one document speaks of beside its days: a report about weeks says nothing about days.
CREATE VIEW raw.scoped AS
SELECT
    *,
    coalesce(fields['profile_id'], fields['vendor_id'], fields['seller_id'], account) AS owner,
    coalesce(fields['merchant'], account) AS merchant,
    coalesce(head['reportSpecification.marketplaceIds'], fields['marketplace_id'], marketplaces) AS marketplace_id,
    coalesce(head['reportSpecification.reportOptions.reportPeriod'], options['reportPeriod']) AS report_period,
    coalesce(head['reportSpecification.reportOptions.distributorView'], options['distributorView']) AS distributor_view,
    coalesce(head['reportSpecification.reportOptions.sellingProgram'], options['sellingProgram']) AS selling_program,
    coalesce(
        head['reportSpecification.reportOptions.dateGranularity'],
        options['dateGranularity'],
        CASE WHEN kind = 'GET_SALES_AND_TRAFFIC_REPORT' THEN 'DAY' END
    ) AS date_granularity,
    coalesce(
        head['reportSpecification.reportOptions.asinGranularity'], options['asinGranularity']
    ) AS asin_granularity,
    coalesce(head['reportSpecification.reportType'], report_type) AS stated_type,
    try_cast(head['reportSpecification.lastUpdatedDate'] AS DATE) AS last_updated_date,
    coalesce(try_cast(head['reportSpecification.dataStartTime'] AS DATE), asked_from) AS requested_from,
    coalesce(try_cast(head['reportSpecification.dataEndTime'] AS DATE), asked_to) AS requested_to
FROM raw.documents;

-- The rows of the newest document of each day; other rows of it, and rows of days that it does not speak of, are none.
CREATE VIEW raw.stated AS
WITH newest AS (
    FROM raw.scoped JOIN raw.days USING (path)
    QUALIFY row_number() OVER (
        PARTITION BY source, kind, owner, marketplace_id, report_period, distributor_view, selling_program,
            date_granularity, day
        ORDER BY is_known DESC, generated_at DESC, document_id DESC, path
    ) = 1
)
SELECT newest.* RENAME (fields AS account_fields, day AS activity_date), rows.row, rows.fields
FROM newest
JOIN raw.report_rows AS rows
    ON rows.path = newest.path AND try_cast(coalesce(rows.fields['date'], rows.fields['startDate']) AS DATE) = newest.day;
