 SELECT sales.id,
    sum(sales.cents) OVER w AS total,
    rank() OVER (w ORDER BY sales.id) AS r,
    count(*) FILTER (WHERE (sales.cents > 1)) OVER v AS count
   FROM shop.sales
  WINDOW w AS (PARTITION BY sales.user_id), v AS (w ORDER BY sales.sold_at ROWS UNBOUNDED PRECEDING);
