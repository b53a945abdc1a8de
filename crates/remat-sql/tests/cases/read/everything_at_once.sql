 WITH recent AS (
         SELECT s.user_id,
            s.cents,
            s.sold_at
           FROM shop.sales s
          WHERE (s.sold_at > (now() - '30 days'::interval))
        )
 SELECT u.country,
    count(DISTINCT r.user_id) AS buyers,
    sum(r.cents) FILTER (WHERE (r.cents > 0)) AS cents,
    rank() OVER (ORDER BY (sum(r.cents)) DESC NULLS LAST) AS rank,
    ( SELECT count(*) AS count
           FROM shop.refunds f
          WHERE (f.made_at > min(r.sold_at))) AS refunds
   FROM ((recent r
     JOIN shop.users u ON (((u.id = r.user_id) AND u.active)))
     LEFT JOIN LATERAL ( SELECT count(*) AS n
           FROM shop.refunds) x ON (true))
  WHERE ((u.country IS NOT NULL) AND (NOT (EXISTS ( SELECT 1
           FROM shop.moods m
          WHERE ((m.user_id = u.id) AND (m.mood = 'sad'::shop.mood))))))
  GROUP BY u.country
 HAVING (count(*) > 1)
  ORDER BY (sum(r.cents) FILTER (WHERE (r.cents > 0))) DESC NULLS LAST, u.country
 LIMIT 20;
