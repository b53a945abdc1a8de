 SELECT s.id,
    s.cents
   FROM (shop.sales s
     JOIN shop.users u USING (id) AS j);
