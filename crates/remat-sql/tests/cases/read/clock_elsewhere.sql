 SELECT sales.id,
    (now() - sales.sold_at) AS age,
        CASE
            WHEN (sales.sold_at > now()) THEN 1
            ELSE NULL::integer
        END AS future
   FROM shop.sales
  WHERE ((sales.sold_at > now()) OR (sales.cents > 3));
