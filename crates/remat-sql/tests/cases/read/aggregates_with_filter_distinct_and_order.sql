 SELECT sales.user_id,
    count(*) FILTER (WHERE (sales.cents > 5)) AS big,
    count(DISTINCT sales.note) AS notes,
    array_agg(sales.note ORDER BY sales.sold_at DESC NULLS LAST, sales.id) AS list,
    string_agg(DISTINCT sales.note, ','::text ORDER BY sales.note) AS text
   FROM shop.sales
  GROUP BY sales.user_id;
