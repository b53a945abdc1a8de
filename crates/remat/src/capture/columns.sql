-- The columns of a table that have one of these numbers. The type is the one below all domains: a log holds rows without
-- values, too, which a domain may forbid.
select a.attnum,
       a.attname::text,
       pg_catalog.format_type(b.oid, case when b.oid = a.atttypid then a.atttypmod else -1 end),
       n.nspname::text,
       o.collname::text,
       a.attgenerated::text = 'v'
from   pg_catalog.pg_attribute a
cross  join lateral (
         with recursive base(oid, below) as (
           select t.oid, t.typbasetype from pg_catalog.pg_type t where t.oid = a.atttypid
           union all
           select t.oid, t.typbasetype from base b join pg_catalog.pg_type t on t.oid = b.below
         )
         select base.oid from base where base.below = 0
       ) b
left   join pg_catalog.pg_collation o on o.oid = a.attcollation
left   join pg_catalog.pg_namespace n on n.oid = o.collnamespace
where  a.attrelid = $1
and    a.attnum = any ($2)
and    a.attnum > 0
and    not a.attisdropped
