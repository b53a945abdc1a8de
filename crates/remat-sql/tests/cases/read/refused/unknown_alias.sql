-- R013
SELECT x.id FROM shop.sales s
