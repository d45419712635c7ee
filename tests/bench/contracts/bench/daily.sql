SELECT order_date, store_id, count(*) AS orders, sum(quantity) AS quantity, sum(total) AS total
FROM bench.rows
GROUP BY order_date, store_id
