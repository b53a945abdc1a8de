 SELECT s.id,
    v.name,
    v.n
   FROM (shop.sales s
     CROSS JOIN LATERAL ( VALUES ('cents'::text,s.cents), ('user'::text,(s.user_id)::integer)) v(name, n));
