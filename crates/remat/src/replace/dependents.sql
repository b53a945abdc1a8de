-- Every view and materialized view that reads a relation, directly or through others, each after all that it reads.
-- The last column names the columns that it reads of each relation; reading a whole row, or none, names no column.
with recursive tree (oid, depth) as (
  select $1::oid, 0
  union
  select r.ev_class, t.depth + 1
  from   tree t
  join   pg_catalog.pg_depend d
         on d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjid = t.oid
         and d.classid = 'pg_catalog.pg_rewrite'::regclass
  join   pg_catalog.pg_rewrite r on r.oid = d.objid and r.rulename = '_RETURN' and r.ev_class <> t.oid
)
select m.oid,
       pg_catalog.pg_get_viewdef(m.oid),
       (
         select pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('relation', u.relation, 'columns', u.columns)
                                     order by u.relation)
         from   (
                  select d.refobjid::int8 as relation,
                         coalesce(array_agg(distinct a.attname order by a.attname)
                           filter (where a.attname is not null), '{}') as columns
                  from   pg_catalog.pg_rewrite r
                  join   pg_catalog.pg_depend d
                         on d.classid = 'pg_catalog.pg_rewrite'::regclass and d.objid = r.oid
                         and d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjid <> m.oid
                  join   tree above on above.oid = d.refobjid
                  left   join pg_catalog.pg_attribute a
                         on a.attrelid = d.refobjid and a.attnum = d.refobjsubid and a.attnum > 0
                  where  r.ev_class = m.oid and r.rulename = '_RETURN'
                  group  by d.refobjid
                ) u
       )
from   (select oid, max(depth) as depth from tree where depth > 0 group by oid) m
order  by m.depth, m.oid
