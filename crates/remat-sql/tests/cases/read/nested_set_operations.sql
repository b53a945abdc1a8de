(
         SELECT sales.id
           FROM shop.sales
        UNION
         SELECT users.id
           FROM shop.users
) EXCEPT (
         SELECT refunds.sale_id AS id
           FROM shop.refunds
        INTERSECT ALL
         SELECT users.id
           FROM shop.users
)
  ORDER BY 1;
