 SELECT DISTINCT ON (user_id) user_id,
    id,
    cents
   FROM shop.sales
  ORDER BY user_id, sold_at DESC, id;
