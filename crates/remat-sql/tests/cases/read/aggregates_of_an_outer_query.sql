 SELECT u.country,
    ( SELECT count(*) AS count
           FROM shop.sales s
          WHERE (s.user_id = max(u.id))) AS n,
    ( SELECT sum((max(u.id) + s.cents)) AS sum
           FROM shop.sales s) AS odd
   FROM shop.users u
  GROUP BY u.country;
