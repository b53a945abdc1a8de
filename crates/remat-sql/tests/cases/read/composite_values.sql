 SELECT (pair).a AS a,
    (pair).b AS b,
    m.*::shop.moods AS whole,
    (ROW(1, 'x'::text)::shop.pair).b AS c
   FROM shop.moods m;
