 SELECT q.id,
    r.id AS other
   FROM ( SELECT sales.id
           FROM shop.sales
          ORDER BY sales.id
         LIMIT ALL) q,
    ( SELECT sales.id
           FROM shop.sales
          ORDER BY sales.id
         OFFSET ( SELECT 1)
         LIMIT (1 + 2)) r;
