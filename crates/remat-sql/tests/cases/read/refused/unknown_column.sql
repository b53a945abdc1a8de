-- R013
SELECT s.absent FROM shop.sales s
