-- The rows are committed before the work begins, so that a run which dies leaves a trace.
insert into remat.runs (view_id, operation, status, trigger, worker, pid, backend_start, queued_at, started_at)
select of_view.id, $2, 'running', $3, $4, a.pid, a.backend_start, began.at, began.at
from   (select pg_catalog.clock_timestamp() as at offset 0) as began
cross  join pg_catalog.pg_stat_get_activity(pg_catalog.pg_backend_pid()) as a
cross  join unnest($1) as of_view (id)
returning id, fence, view_id
