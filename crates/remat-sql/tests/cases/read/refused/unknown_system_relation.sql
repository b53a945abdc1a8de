-- R013
SELECT id FROM sales
