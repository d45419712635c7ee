//! What is asked of the tables when the demo is over, and the SQL that answers it.

use chrono::{Days, NaiveDate};

use demo::Generated;

/// A question and the SELECT that answers it.
pub(super) struct Question {
    pub(super) question: String,
    pub(super) sql: String,
}

/// All questions, source by source.
pub(super) fn all(made: &Generated) -> Vec<Question> {
    let mut all: Vec<Question> = STORES.into_iter().map(of).collect();
    all.push(advertising(made));
    all.extend(made.emptied.as_ref().map(emptied));
    all.extend(SALES.into_iter().map(of));
    all.push(shares(made));
    all.extend(CONNECTED.into_iter().map(of));
    all
}

fn of((question, sql): (&str, &str)) -> Question {
    Question {
        question: question.to_owned(),
        sql: sql.to_owned(),
    }
}

/// Just Walk Out.
const STORES: [(&str, &str); 3] = [
    (
        "Just Walk Out: what did each store take?",
        "SELECT store_id, count(*) AS orders, sum(order_total) AS taken, sum(refunded_total) AS refunded, currency_code
         FROM jwo.orders GROUP BY store_id, currency_code ORDER BY store_id",
    ),
    (
        "What sold best?",
        "SELECT product_name, sum(quantity) AS quantity, quantity_unit, count(DISTINCT order_id) AS orders
         FROM jwo.order_lines GROUP BY product_name, quantity_unit ORDER BY orders DESC, product_name LIMIT 5",
    ),
    (
        "Do the totals of the orders agree with their lines?",
        "SELECT has_header, has_lines, agrees, count(*) AS orders
         FROM jwo.order_totals GROUP BY has_header, has_lines, agrees ORDER BY orders DESC",
    ),
];

/// The Selling Partner API.
const SALES: [(&str, &str); 3] = [
    (
        "Vendor reports: what was sold, in which view and by which period? (Views and periods are never added.)",
        "SELECT report_period, distributor_view, count(DISTINCT activity_date) AS periods, sum(ordered_units) AS ordered,
         sum(ordered_revenue) AS ordered_revenue, sum(shipped_units) AS shipped, sum(shipped_revenue) AS shipped_revenue
         FROM sp_api.vendor_sales GROUP BY report_period, distributor_view ORDER BY report_period, distributor_view",
    ),
    (
        "Orders of the seller: where do they stand, each once however often it was reported?",
        "SELECT order_status, count(DISTINCT amazon_order_id) AS orders, count(*) AS items, sum(item_price) AS price
         FROM sp_api.orders GROUP BY order_status ORDER BY orders DESC",
    ),
    (
        "The settlement, which came as two reports: does it add up?",
        "SELECT settlement_id, count(*) - 1 AS amounts, max(total_amount) AS total, sum(amount) AS sum_of_amounts,
         max(currency) AS currency, count(DISTINCT report_id) AS reports
         FROM sp_api.settlement GROUP BY settlement_id ORDER BY settlement_id",
    ),
];

/// Smart Connect.
const CONNECTED: [(&str, &str); 2] = [
    (
        "Smart Connect: where do the orders stand, by events that came twice and out of order?",
        "SELECT stage, status, count(*) AS orders, sum(event_count) AS events
         FROM yojaka.orders GROUP BY stage, status ORDER BY stage, orders DESC, status",
    ),
    (
        "Returns out for delivery: how many events came with a one-time password? (That is all that is kept of it.)",
        "SELECT otp_present, count(*) AS events, count(DISTINCT return_id) AS returns
         FROM yojaka.events WHERE detail_type = 'Returns.OutForDelivery' GROUP BY otp_present ORDER BY otp_present",
    ),
];

/// Days of which both the stream and the newest Ads reports say everything that was known in the end: those that the
/// last reports are about, from the first day of the stream on. None where the demo is a single day.
pub(super) fn settled(made: &Generated) -> Option<(NaiveDate, NaiveDate)> {
    let (first, last) = (*made.days.first()?, *made.days.last()?);
    let from = first.max(last - Days::new(7));
    (from < last).then(|| (from, last - Days::new(1)))
}

/// Ads reports beside the stream, campaign by campaign and day by day.
pub(super) fn beside(from: NaiveDate, to: NaiveDate) -> String {
    format!(
        "SELECT activity_date, merchant, currency_code, report.clicks AS clicks, stream.clicks AS stream_clicks,
         report.cost AS cost, stream.cost AS stream_cost, report.sales AS sales,
         CASE account_type WHEN 'vendor' THEN stream.sales_14d ELSE stream.sales_7d END AS stream_sales
         FROM ads.campaign_daily AS report FULL JOIN (
             SELECT window_date, campaign_id, sum(clicks) AS clicks, sum(cost) AS cost,
             sum(attributed_sales_7d) AS sales_7d, sum(attributed_sales_14d) AS sales_14d
             FROM ams.sp_hourly GROUP BY window_date, campaign_id
         ) AS stream ON activity_date = window_date AND report.campaign_id = stream.campaign_id
         WHERE coalesce(activity_date, window_date) BETWEEN '{from}' AND '{to}'"
    )
}

fn advertising(made: &Generated) -> Question {
    let Some((from, to)) = settled(made) else {
        return of((
            "Ads reports: what did advertising cost, and what did it bring?",
            "SELECT activity_date, merchant, sum(clicks) AS clicks, sum(cost) AS cost, sum(sales) AS sales, currency_code
             FROM ads.campaign_daily GROUP BY activity_date, merchant, currency_code ORDER BY merchant, activity_date",
        ));
    };
    Question {
        question: "Advertising: do the newest Ads reports, restated day by day, tell what the Marketing Stream's \
                   messages add up to?"
            .to_owned(),
        sql: format!(
            "SELECT merchant, activity_date, sum(clicks) AS clicks, sum(stream_clicks) AS stream_clicks,
             sum(cost) AS cost, sum(stream_cost) AS stream_cost, sum(sales) AS sales,
             sum(stream_sales) AS stream_sales, currency_code
             FROM ({}) AS beside GROUP BY merchant, activity_date, currency_code ORDER BY merchant, activity_date",
            beside(from, to)
        ),
    }
}

fn emptied((merchant, day): &(String, NaiveDate)) -> Question {
    Question {
        question: format!("Clicks of {merchant}: what is left of {day}, whose newest reports are empty?"),
        sql: format!(
            "SELECT activity_date, count(*) AS campaigns, sum(clicks) AS clicks, max(generated_at) AS stated_at
             FROM ads.sp_campaigns WHERE merchant = '{merchant}'
             AND activity_date BETWEEN '{}' AND '{}' GROUP BY activity_date ORDER BY activity_date",
            *day - Days::new(1),
            *day + Days::new(2)
        ),
    }
}

fn shares(made: &Generated) -> Question {
    let last = made.days.last().copied().unwrap_or_default();
    Question {
        question: "Across sources: what do ads cost of all sales, and what share of them do they make?"
            .to_owned(),
        sql: format!(
            "SELECT activity_date, merchant, business, ad_cost, ad_sales, total_sales, currency_code,
             round(100 * ad_cost_share, 1) AS cost_percent, round(100 * ad_sales_share, 1) AS sales_percent
             FROM retail.ad_share_daily WHERE activity_date >= '{}' ORDER BY merchant, activity_date",
            last - Days::new(4)
        ),
    }
}
