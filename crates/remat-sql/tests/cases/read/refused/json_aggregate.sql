-- R015
SELECT JSON_ARRAYAGG(s.id) FROM shop.sales s
