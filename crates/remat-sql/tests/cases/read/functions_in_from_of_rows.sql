 SELECT p.a,
    p.b,
    j.x
   FROM shop.pairs(3) p(a, b),
    jsonb_to_record('{"x": 1}'::jsonb) j(x integer, y text);
