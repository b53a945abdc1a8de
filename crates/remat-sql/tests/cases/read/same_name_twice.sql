 SELECT t.id
   FROM shop.users t
  WHERE (EXISTS ( SELECT 1
           FROM shop.sales t_1
          WHERE (t_1.user_id = 7)));
