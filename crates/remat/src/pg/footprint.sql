-- What relations take and who reads them. What only newer servers know is read by name, so that older ones give null.
select c.oid,
       pg_catalog.pg_relation_size(c.oid) as heap_bytes,
       pg_catalog.pg_indexes_size(c.oid) as index_bytes,
       pg_catalog.pg_total_relation_size(c.oid) as total_bytes,
       c.reltuples::float8 as rows,
       case when c.relpages > 0 then c.relallvisible::float8 / c.relpages end as all_visible,
       s.n_live_tup, s.n_dead_tup,
       greatest(s.last_vacuum, s.last_autovacuum) as last_vacuum,
       greatest(s.last_analyze, s.last_autoanalyze) as last_analyze,
       coalesce(s.seq_scan, 0) + coalesce(s.idx_scan, 0) as scans,
       greatest((pg_catalog.to_jsonb(s)->>'last_seq_scan')::timestamptz,
                (pg_catalog.to_jsonb(s)->>'last_idx_scan')::timestamptz) as last_read,
       (select d.stats_reset from pg_catalog.pg_stat_database d where d.datname = current_database()) as since,
       c.relispopulated, pg_catalog.pg_get_userbyid(c.relowner)::text as owner
from   pg_catalog.pg_class c
left   join pg_catalog.pg_stat_all_tables s on s.relid = c.oid
where  c.oid = any ($1)
