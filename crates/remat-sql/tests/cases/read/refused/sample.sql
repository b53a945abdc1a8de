-- R011
SELECT sales.id FROM shop.sales TABLESAMPLE system (10) REPEATABLE (1)
