-- What metrics and alerts ask of each view. Its cost is some searches of indexes for each view, however many runs are
-- kept. $1: how many durations are wanted where a refresh took at least $2 milliseconds, or the view is among $3.
select v.id,
       v.schema_name,
       v.view_name,
       v.tags,
       v.target_lag_s,
       s.state,
       s.data_as_of,
       extract(epoch from s.age)::float8 as age_s,
       remat.is_paused(v.pause) as is_paused,
       v.relation_oid is not null as is_made,
       good.finished_at,
       good.duration_ms,
       good.bytes,
       good.rows_after,
       bad.id,
       bad.finished_at,
       bad.error_message,
       bad.error_hint,
       bad.is_retried,
       (select count(*) from (
          select from remat.runs f
          where  f.view_id = v.id and f.status = 'failed' and f.finished_at > coalesce(good.finished_at, '-infinity')
          limit  100) f) as failures,
       live.id,
       extract(epoch from pg_catalog.clock_timestamp() - live.started_at)::float8 as live_s,
       case when good.duration_ms >= $2 or live.started_at < pg_catalog.clock_timestamp() - $2 * interval '1 millisecond'
                 or v.id = any($3)
            then array(select t.duration_ms
                       from   (select r.data_as_of, r.duration_ms, r.strategy, r.meta
                               from   remat.runs r
                               where  r.view_id = v.id and r.operation = 'refresh' and r.status = 'success'
                               order  by r.data_as_of desc limit 200) t
                       -- what had nothing to do, and what was compared as well, tells nothing about a refresh
                       where  t.strategy is distinct from 'skip' and not t.meta ? 'verification'
                       order  by t.data_as_of desc limit $1) end as took_ms,
       a.finding,
       a.made_at,
       a.run_id,
       v.pause->>'by' is not distinct from 'remat' as is_quarantined
from   remat.status() s
join   remat.views v on remat.typed_name(v.schema_name, v.view_name) = s.view and v.retired_at is null
left   join lateral (
         select f.finished_at, f.duration_ms, f.bytes, f.rows_after from remat.last_fill(v.id) f) good on true
left   join lateral (
         select f.id, f.finished_at, f.error_message, f.error_hint, f.meta ? 'retried_by' as is_retried
         from   remat.runs f
         where  f.view_id = v.id and f.status = 'failed' and f.finished_at > coalesce(good.finished_at, '-infinity')
         order  by f.finished_at desc limit 1) bad on true
left   join lateral (
         select l.id, l.started_at from remat.runs l
         where  l.view_id = v.id and l.operation = 'refresh' and l.status in ('running', 'unknown')
         order  by l.id limit 1) live on true
left   join remat.verifications a on a.view_id = v.id and a.finding is not null
order  by v.schema_name, v.view_name
