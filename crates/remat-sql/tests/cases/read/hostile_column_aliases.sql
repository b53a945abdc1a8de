 WITH "w ith"("a b", "c""d") AS (
         SELECT sales.id,
            sales.note
           FROM shop.sales
        )
 SELECT "a b",
    "c""d" AS "order",
    count(*) AS count
   FROM "w ith" q
  GROUP BY "a b", "c""d";
