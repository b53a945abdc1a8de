 SELECT id
   FROM shop.users u
  WHERE ((NOT (EXISTS ( SELECT 1
           FROM shop.sales s
          WHERE (s.user_id = u.id)))) AND active);
