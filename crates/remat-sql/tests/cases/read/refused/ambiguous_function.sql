-- R016
SELECT shop.both(s.cents) AS b FROM shop.sales s
