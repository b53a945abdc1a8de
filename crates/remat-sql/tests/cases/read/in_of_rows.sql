 SELECT s.id
   FROM shop.sales s
  WHERE (((s.user_id, s.cents) IN ( SELECT r.sale_id,
            r.cents
           FROM shop.refunds r)) AND (NOT ((s.id, s.user_id) IN ( SELECT 1,
            2))));
