 SELECT sales.user_id,
    sales.sold_on,
    sales.note,
    sum(sales.cents) AS sum
   FROM shop.sales
  GROUP BY GROUPING SETS (ROLLUP(sales.user_id, (sales.sold_on, sales.note)), ()), sales.id;
