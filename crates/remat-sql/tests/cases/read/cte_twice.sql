 WITH big AS MATERIALIZED (
         SELECT sales.user_id,
            sales.cents
           FROM shop.sales
          WHERE (sales.cents > 100)
        ), small(who, c) AS NOT MATERIALIZED (
         SELECT sales.user_id,
            sales.cents
           FROM shop.sales
          WHERE (sales.cents < 10)
        )
 SELECT a.user_id,
    b.c,
    d.cents
   FROM ((big a
     JOIN small b ON ((a.user_id = b.who)))
     JOIN big d ON ((d.user_id = b.who)));
