-- R013
SELECT id FROM shop.sales s, shop.users u
