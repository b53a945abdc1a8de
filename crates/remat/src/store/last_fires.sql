-- The newest fire of each scheduled job and of each view, and how the runs stand that answer it.
with newest as (
  select f.*
  from   remat.scheduled_jobs j
  cross  join lateral (select * from remat.fires f where f.job_name = j.name order by f.fire_at desc limit 1) f
  union  all
  select f.*
  from   remat.views v
  cross  join lateral (select * from remat.fires f where f.view_id = v.id order by f.fire_at desc limit 1) f
  where  v.retired_at is null
)
select n.job_name,
       n.view_id,
       n.fire_at,
       n.outcome,
       n.reason,
       n.missed,
       array(select r.id from remat.runs r where r.id = any(n.runs) order by r.id),
       array(select r.status from remat.runs r where r.id = any(n.runs) order by r.id)
from   newest n
