 SELECT n,
    t,
    o
   FROM ROWS FROM(generate_series(1, 3), unnest(ARRAY['a'::text, 'b'::text])) WITH ORDINALITY r(n, t, o);
