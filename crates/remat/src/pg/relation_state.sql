-- What stands under a name, or where the object went that stood there.
select c.oid,
       n.nspname::text,
       c.relname::text,
       c.relkind::text,
       c.relispopulated,
       pg_catalog.pg_get_userbyid(c.relowner)::text,
       pg_catalog.pg_has_role(c.relowner, 'usage'),
       c.reltuples::float8,
       pg_catalog.pg_total_relation_size(c.oid),
       coalesce(d.names, '{}'),
       coalesce(d.types, '{}')
from   pg_catalog.pg_class c
join   pg_catalog.pg_namespace n on n.oid = c.relnamespace
left   join lateral (
         select array_agg(a.attname::text order by a.attnum) as names,
                array_agg(pg_catalog.format_type(a.atttypid, a.atttypmod) order by a.attnum) as types
         from   pg_catalog.pg_attribute a
         where  a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
       ) d on true
