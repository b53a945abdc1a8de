 SELECT s.id,
    u.handle,
    r.seq
   FROM (shop.users u
     LEFT JOIN (shop.sales s
     JOIN shop.refunds r ON ((r.sale_id = s.id))) ON ((s.user_id = u.id)));
