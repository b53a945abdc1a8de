-- R014
SELECT * FROM shop.sales
