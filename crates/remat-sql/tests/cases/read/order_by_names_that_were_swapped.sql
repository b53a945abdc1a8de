 SELECT cents AS id,
    id AS cents
   FROM shop.sales
  ORDER BY sales.cents;
