-- Relations and what each reads directly. A managed table has no rule of its own: its query is a view in remat_query, which
-- is looked through. Beside what remat manages stand the materialized views that nobody manages.
with recursive
standing as (
  select v.id, c.oid as relation, q.oid as written
  from   remat.views v
  join   pg_catalog.pg_namespace n on n.nspname = v.schema_name
  join   pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = v.view_name
  left   join pg_catalog.pg_namespace qn on qn.nspname = 'remat_query'
  left   join pg_catalog.pg_class q on q.relnamespace = qn.oid and q.relname = 'v' || v.id and q.relkind = 'v'
  where  v.retired_at is null
),
reached(relation) as (
  select s.relation from standing s
  union
  select c.oid
  from   pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where  c.relkind = 'm' and n.nspname !~ '^(pg_|remat)'
  union
  select next.relation
  from   reached r
  cross  join lateral (
           select d.refobjid as relation
           from   pg_catalog.pg_rewrite w
           join   pg_catalog.pg_depend d on d.classid = 'pg_catalog.pg_rewrite'::regclass and d.objid = w.oid
           where  (w.ev_class = r.relation
                   or w.ev_class in (select s.written from standing s where s.relation = r.relation))
           and    d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjid <> w.ev_class
         ) as next
  join   pg_catalog.pg_class c on c.oid = next.relation and c.relkind in ('r', 'p', 'v', 'm', 'f')
  join   pg_catalog.pg_namespace n on n.oid = c.relnamespace and n.nspname not in ('pg_catalog', 'information_schema', 'remat')
)
select c.oid, n.nspname::text, c.relname::text, c.relkind::text, s.id as view_id,
       array(select distinct d.refobjid
             from   pg_catalog.pg_rewrite w
             join   pg_catalog.pg_depend d on d.classid = 'pg_catalog.pg_rewrite'::regclass and d.objid = w.oid
             where  (w.ev_class = c.oid or w.ev_class = s.written)
             and    d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjid not in (c.oid, w.ev_class)
             and    d.refobjid in (select relation from reached)) as reads
from   reached r
join   pg_catalog.pg_class c on c.oid = r.relation
join   pg_catalog.pg_namespace n on n.oid = c.relnamespace
left   join standing s on s.relation = c.oid
order  by n.nspname, c.relname
