 SELECT id,
    cents
   FROM shop.sales
  WHERE ((cents > 100) AND (note IS NOT NULL) AND ((user_id = 1) OR (user_id = 2)));
