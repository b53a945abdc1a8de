 SELECT u.id
   FROM shop.users u
  WHERE (EXISTS ( SELECT 1
           FROM shop.sales s
          WHERE ((s.user_id = u.id) AND (EXISTS ( SELECT 1
                   FROM shop.refunds r
                  WHERE ((r.sale_id = s.id) AND (r.cents > length(u.handle))))))));
