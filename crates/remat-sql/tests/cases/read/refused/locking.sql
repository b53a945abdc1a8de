-- R010
SELECT id FROM shop.sales FOR UPDATE OF sales
