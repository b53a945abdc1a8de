-- A table and what stands below it, the table itself first.
select c.oid,
       n.nspname::text,
       c.relname::text,
       c.relkind::text,
       c.relpersistence::text,
       pg_catalog.pg_has_role(c.relowner, 'usage'),
       case when c.relispartition then 'partition'
            when exists (select from pg_catalog.pg_inherits i where i.inhrelid = c.oid) then 'child'
            else 'top' end,
       exists (select from pg_catalog.pg_subscription_rel s where s.srrelid = c.oid),
       array(select a.attname::text from pg_catalog.pg_attribute a
             where  a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
             order  by a.attnum),
       array(select a.attnum from pg_catalog.pg_attribute a
             where  a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
             order  by a.attnum)
from   remat.capture_levels($1) l
join   pg_catalog.pg_class c on c.oid = l.relation
join   pg_catalog.pg_namespace n on n.oid = c.relnamespace
order  by c.oid <> $1, c.oid
