-- What is known of a view before its refresh. Its sources come with the names that they have now.
select v.strategy,
       v.key_columns <> '{}',
       p.view_id is not null,
       p.plan,
       p.refusal,
       coalesce(remat.plan_stands(p), false),
       coalesce(extract(epoch from clock_timestamp() - p.made_at)::int8, 0),
       s.oids,
       s.schemas,
       s.names,
       pg_catalog.has_table_privilege('remat.view_states', 'insert')
         and pg_catalog.has_table_privilege('remat.view_states', 'update')
         and pg_catalog.has_table_privilege('remat.view_states', 'delete')
         and pg_catalog.has_any_column_privilege('remat.view_plans', 'update')
         and pg_catalog.has_any_column_privilege('remat.contents', 'update')
from   remat.views v
left   join remat.view_plans p on p.view_id = v.id
cross  join lateral (
         select coalesce(array_agg(c.oid order by c.oid), '{}') as oids,
                coalesce(array_agg(n.nspname::text order by c.oid), '{}') as schemas,
                coalesce(array_agg(c.relname::text order by c.oid), '{}') as names
         from   pg_catalog.pg_class c
         join   pg_catalog.pg_namespace n on n.oid = c.relnamespace
         where  c.oid = any (p.sources)
       ) s
where  v.id = $1 and v.retired_at is null
