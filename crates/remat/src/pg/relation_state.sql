-- What stands under a name, or where the object went that stood there.
select c.oid,
       n.nspname::text,
       c.relname::text,
       c.relkind::text,
       c.relispopulated,
       pg_catalog.pg_get_userbyid(c.relowner)::text,
       pg_catalog.pg_has_role(c.relowner, 'usage'),
       c.reltuples::float8,
       -- null when it is dropped while this waits for its lock
       coalesce(pg_catalog.pg_total_relation_size(c.oid), 0),
       coalesce(d.names, '{}'),
       coalesce(d.types, '{}'),
       pg_catalog.pg_get_userbyid(c.relowner) operator(pg_catalog.=) session_user
         and session_user operator(pg_catalog.=) current_user
from   pg_catalog.pg_class c
join   pg_catalog.pg_namespace n on n.oid = c.relnamespace
left   join lateral (
         select pg_catalog.array_agg(a.attname::text order by a.attnum) as names,
                pg_catalog.array_agg(pg_catalog.format_type(a.atttypid, a.atttypmod) order by a.attnum) as types
         from   pg_catalog.pg_attribute a
         where  a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
       ) d on true
