-- Durations are those of refreshes that succeeded; a failure's duration says when it broke, not what the work costs. Only
-- the last two hundred of each view count, so that the statement costs the same however many runs are kept; the index
-- that it reads them from has the durations.
select v.schema_name,
       v.view_name,
       v.tags,
       took.successes,
       took.avg_ms,
       took.min_ms,
       took.max_ms,
       took.p95_ms,
       (select count(*)
        from   remat.runs r
        where  r.view_id = v.id and r.operation = 'refresh' and r.status = 'failed'
        -- asked once, so that an index can be searched for it
        and    r.finished_at > (select clock_timestamp() - interval '24 hours')),
       (select last.rows_after
        from   remat.runs last
        where  last.view_id = v.id and last.status = 'success' and last.rows_after is not null
        order  by last.id desc
        limit  1)
from   remat.views v
cross  join lateral (
         select count(*) as successes,
                round(avg(r.duration_ms), 1)::float8 as avg_ms,
                min(r.duration_ms) as min_ms,
                max(r.duration_ms) as max_ms,
                pg_catalog.percentile_disc(0.95) within group (order by r.duration_ms) as p95_ms
         from   (select r.duration_ms
                 from   remat.runs r
                 where  r.view_id = v.id and r.operation = 'refresh' and r.status = 'success'
                 order  by r.data_as_of desc
                 limit  200) r) as took
where  v.retired_at is null
order  by v.schema_name, v.view_name
