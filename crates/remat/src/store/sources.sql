-- What fires: enabled jobs; views with a cron line; views with a freshness target and no cron line. Times before the
-- schedule was written are not owed.
select j.name,
       null::int8 as view_id,
       j.schedule,
       j.zone,
       null::int8 as target_s,
       null::timestamptz as data_as_of,
       0::int8 as usual_ms,
       greatest(j.last_fire, j.updated_at) as last,
       j.dispatch
from   remat.scheduled_jobs j
where  j.enabled
union  all
select null,
       v.id,
       v.schedule,
       v.schedule_zone,
       v.target_lag_s,
       case when v.schedule is null then remat.data_as_of(v.id) end,
       case when v.schedule is null
            then (select coalesce(max(took.duration_ms), 0)
                  from   (select r.duration_ms from remat.runs r
                          where  r.view_id = v.id and r.operation = 'refresh' and r.status = 'success'
                          and    not r.meta ? 'verification' -- it took longer than a refresh does
                          order  by r.id desc limit 5) took)
            else 0 end,
       greatest(v.updated_at, (select f.fire_at from remat.fires f where f.view_id = v.id order by f.fire_at desc limit 1)),
       v.dispatch
from   remat.views v
where  v.retired_at is null
and    (v.schedule is not null or (v.target_lag_s is not null and v.relation_oid is not null))
