 SELECT sales.id,
    'sale'::text AS kind
   FROM shop.sales
UNION
 SELECT users.id,
    users.handle AS kind
   FROM shop.users
  ORDER BY 2, 1 DESC
 LIMIT 5;
