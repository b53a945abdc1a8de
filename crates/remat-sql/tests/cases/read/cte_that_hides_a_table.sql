 WITH sales AS (
         SELECT sales_1.id
           FROM shop.sales sales_1
        )
 SELECT sales.id
   FROM sales
  WHERE (sales.id IN ( SELECT sales_1.id
           FROM shop.sales sales_1));
