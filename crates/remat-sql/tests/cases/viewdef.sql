 SELECT s.id,
    (s.doc ->> 'k'::text) AS k,
    count(*) FILTER (WHERE (s.n > (1)::numeric)) AS n
   FROM (public.sales s
     LEFT JOIN public."Other" o ON (((o.id = s.id) AND (o.kind = ANY (ARRAY['a'::text, 'b'::text])))))
  WHERE (s.at >= (now() - '1 day'::interval))
  GROUP BY s.id, (s.doc ->> 'k'::text);
