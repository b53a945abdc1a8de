 SELECT c.relname,
    n.nspname
   FROM (pg_class c
     JOIN pg_namespace n ON ((n.oid = c.relnamespace)))
  WHERE (c.relkind = 'r'::"char");
