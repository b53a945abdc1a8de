-- What is at work: few rows, found by an index that has no others. The session of a run is the one that holds its lock.
-- A lock that readers would queue behind is asked for in short attempts, with pauses between them: in a pause nothing is
-- waited for, and who holds the relation then is who holds it up. A strategy beside which reads go on is held up by those
-- alone that do more than read.
select r.id, v.schema_name, v.view_name, r.operation, r.status, r.trigger, r.job_name, r.worker, r.attempt,
       r.started_at,
       extract(epoch from clock_timestamp() - r.started_at)::float8 as elapsed_s,
       r.cancel_asked_at is not null as is_cancel_asked,
       l.pid,
       case when h.pids <> '{}' then 'Lock' else a.wait_event_type end as wait_event_type,
       case when h.pids <> '{}' then 'relation, between attempts' else a.wait_event end as wait_event,
       left(a.query, 2000) as query,
       extract(epoch from clock_timestamp() - a.query_start)::float8 as query_s,
       case when a.wait_event_type = 'Lock' then pg_catalog.pg_blocking_pids(l.pid) else coalesce(h.pids, '{}') end as blockers,
       coalesce(i.phase, m.phase) as progress_phase,
       coalesce(nullif(i.tuples_total, 0), nullif(i.blocks_total, 0), nullif(m.heap_blks_total, 0)) as progress_total,
       case when i.tuples_total > 0 then i.tuples_done when i.blocks_total > 0 then i.blocks_done
            else m.heap_blks_scanned end as progress_done,
       usual.p50_ms, usual.p95_ms
from   remat.runs r
left   join remat.views v on v.id = r.view_id
left   join lateral (
         select l.pid
         from   pg_catalog.pg_locks l
         where  l.locktype = 'advisory' and l.classid = 1919249778::oid and l.objsubid = 2 and l.granted
         and    l.objid = ((r.id % 2147483647)::integer)::oid
         and    l.database = (select d.oid from pg_catalog.pg_database d where d.datname = current_database())
         limit  1) as l on true
left   join pg_catalog.pg_stat_activity a on a.pid = l.pid
left   join lateral (
         select coalesce(array_agg(distinct o.pid), '{}') as pids
         from   pg_catalog.pg_class c
         join   pg_catalog.pg_namespace n on n.oid = c.relnamespace and n.nspname = v.schema_name
         join   pg_catalog.pg_locks o on o.locktype = 'relation' and o.relation = c.oid and o.granted and o.pid <> l.pid
                                      and o.database = (select d.oid from pg_catalog.pg_database d where d.datname = current_database())
         where  c.relname = v.view_name
         and    a.wait_event = 'ClientRead' and a.state_change < clock_timestamp() - interval '5 milliseconds'
         and    (c.relkind = 'm' and v.strategy in ('regular', 'swap', 'auto')
                 or o.mode not in ('AccessShareLock', 'RowShareLock'))) as h on true
left   join pg_catalog.pg_stat_progress_create_index i on i.pid = l.pid
left   join pg_catalog.pg_stat_progress_vacuum m on m.pid = l.pid
left   join lateral (
         select pg_catalog.percentile_disc(0.5) within group (order by t.duration_ms) as p50_ms,
                pg_catalog.percentile_disc(0.95) within group (order by t.duration_ms) as p95_ms
         from   (select t.duration_ms from remat.runs t
                 where  t.view_id = r.view_id and t.operation = 'refresh' and t.status = 'success'
                 order  by t.data_as_of desc limit 50) t) as usual on true
where  r.status in ('running', 'unknown')
order  by r.started_at, r.id
