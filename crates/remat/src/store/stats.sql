-- Durations are those of refreshes that succeeded; a failure's duration says when it broke, not what the work costs.
select v.schema_name,
       v.view_name,
       v.tags,
       count(*) filter (where r.status = 'success'),
       round(avg(r.duration_ms) filter (where r.status = 'success'), 1)::float8,
       min(r.duration_ms) filter (where r.status = 'success'),
       max(r.duration_ms) filter (where r.status = 'success'),
       percentile_disc(0.95) within group (order by r.duration_ms) filter (where r.status = 'success'),
       count(*) filter (where r.status = 'failed' and r.finished_at > clock_timestamp() - interval '24 hours'),
       (select last.rows_after
        from   remat.runs last
        where  last.view_id = v.id and last.status = 'success' and last.rows_after is not null
        order  by last.id desc
        limit  1)
from   remat.views v
left   join remat.runs r on r.view_id = v.id and r.operation = 'refresh'
where  v.retired_at is null
group  by v.id
order  by v.schema_name, v.view_name
