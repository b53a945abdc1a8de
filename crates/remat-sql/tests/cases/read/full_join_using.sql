 SELECT id,
    s.cents,
    u.handle
   FROM (shop.sales s
     FULL JOIN shop.users u USING (id))
  WHERE (id > 3)
  ORDER BY id;
