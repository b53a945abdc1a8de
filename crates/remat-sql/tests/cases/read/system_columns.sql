 SELECT ctid AS place,
    ((tableoid)::regclass)::text AS source,
    id
   FROM shop.sales s;
