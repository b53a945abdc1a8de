-- The newest fire of each scheduled job and of each view.
select f.job_name, f.view_id, f.fire_at, f.outcome, f.reason, f.missed
from   remat.scheduled_jobs j
cross  join lateral (select * from remat.fires f where f.job_name = j.name order by f.fire_at desc limit 1) f
union  all
select f.job_name, f.view_id, f.fire_at, f.outcome, f.reason, f.missed
from   remat.views v
cross  join lateral (select * from remat.fires f where f.view_id = v.id order by f.fire_at desc limit 1) f
where  v.retired_at is null
