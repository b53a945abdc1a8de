 SELECT sales.id
   FROM shop.sales
UNION ALL
( WITH x AS (
         SELECT users.id
           FROM shop.users
        )
 SELECT x.id
   FROM x);
