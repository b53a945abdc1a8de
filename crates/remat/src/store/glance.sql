-- Every view with what a person looks at first. The state is that of remat.status(), which asks a function of each view and
-- so takes several times as long; that both say the same, a test proves. Everything of a view is one search of an index.
with held as materialized (
  select l.classid, l.objid::bigint as key, l.pid
  from   pg_catalog.pg_locks l
  where  l.locktype = 'advisory' and l.objsubid = 2 and l.granted
  and    l.database = (select d.oid from pg_catalog.pg_database d where d.datname = current_database())
),
at_work as materialized (
  select r.view_id, max(r.id) as id
  from   remat.runs r
  where  r.status in ('running', 'unknown') and r.view_id is not null
  group  by r.view_id
),
waiting as materialized (
  select distinct on (r.view_id) r.view_id, r.id, r.due_at, r.queue, r.attempt, r.waits_for, r.queued_at
  from   remat.runs r
  where  r.status = 'pending' and r.view_id is not null
  order  by r.view_id, r.due_at
)
select v.id, v.schema_name, v.view_name, v.strategy,
       case
         when exists (select from held h where h.classid = 1919249782 and h.key = v.id % 2147483647
                                         and h.pid <> pg_catalog.pg_backend_pid()) then 'running'
         when c.oid is null then 'absent'
         when not c.relispopulated then 'unpopulated'
         when p.paused then 'paused'
         when last.status = 'failed' then 'failed'
         when v.target_lag_s is null then 'ok'
         when fill.age <= make_interval(secs => v.target_lag_s) then 'fresh'
         else 'stale'
       end as state,
       fill.data_as_of,
       extract(epoch from fill.age)::float8 as age_s,
       v.target_lag_s, v.tags, v.owner_role, v.description, v.schedule, v.schedule_zone,
       case when p.paused then v.pause end as pause,
       fill.bytes, fill.rows_after,
       last.id as last_id, last.operation as last_operation, last.status as last_status,
       last.finished_at as last_finished_at, last.duration_ms as last_duration_ms,
       last.error_message, last.error_sqlstate,
       newest.id as skip_id, newest.reason as skip_reason, newest.root_cause,
       w.id as waiting_id, w.due_at as waiting_due_at, w.queue as waiting_queue, w.attempt as waiting_attempt,
       w.waits_for as waiting_for, w.queued_at as waiting_since,
       a.id as at_work_id,
       c.oid as relation_oid, c.relkind::text as relation_kind
from   remat.views v
cross  join lateral (select v.pause is not null
                            and coalesce((v.pause->>'until')::timestamptz > clock_timestamp(), true) as paused) p
left   join pg_catalog.pg_namespace n on n.nspname = v.schema_name
left   join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = v.view_name
left   join lateral (
         select m.id, m.data_as_of, m.bytes, m.rows_after
         from   remat.runs m
         where  m.view_id = v.id and m.operation in ('create', 'delete') and m.status = 'success'
         order  by m.id desc
         limit  1) as made on true
left   join lateral (
         select r.data_as_of, r.bytes, r.rows_after
         from   remat.runs r
         where  r.view_id = v.id and r.operation = 'refresh' and r.status = 'success' and r.id >= coalesce(made.id, 0)
         order  by r.data_as_of desc
         limit  1) as refreshed on true
left   join lateral (
         select f.*, clock_timestamp() - f.data_as_of as age
         from   (values (refreshed.data_as_of, refreshed.bytes, refreshed.rows_after),
                        (made.data_as_of, made.bytes, made.rows_after)) as f(data_as_of, bytes, rows_after)
         where  c.relispopulated and f.data_as_of is not null
         order  by f.data_as_of desc
         limit  1) as fill on true
left   join lateral (
         select r.id, r.operation, r.status, r.finished_at, r.duration_ms, r.error_message, r.error_sqlstate
         from   remat.runs r
         where  r.view_id = v.id and r.status not in ('skipped', 'pending')
         order  by r.id desc
         limit  1) as last on true
left   join lateral (
         select r.id, r.reason, (r.meta->>'root_cause')::bigint as root_cause
         from   (select r.id, r.status, r.reason, r.meta from remat.runs r where r.view_id = v.id order by r.id desc limit 1) r
         where  r.status = 'skipped') as newest on true
left   join waiting w on w.view_id = v.id
left   join at_work a on a.view_id = v.id
where  v.retired_at is null
order  by v.schema_name, v.view_name
