-- R012
SELECT j.a FROM (shop.refunds r JOIN shop.users u ON ((u.id = r.sale_id))) j(a, b)
