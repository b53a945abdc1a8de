 SELECT sales.user_id,
    percentile_cont((0.5)::double precision) WITHIN GROUP (ORDER BY ((sales.cents)::double precision)) AS median,
    mode() WITHIN GROUP (ORDER BY sales.note) AS usual,
    rank(5) WITHIN GROUP (ORDER BY sales.cents DESC) FILTER (WHERE (sales.cents > 0)) AS rank
   FROM shop.sales
  GROUP BY sales.user_id;
