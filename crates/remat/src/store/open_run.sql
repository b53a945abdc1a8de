-- The row is committed before the work begins, so that a run which dies leaves a trace.
insert into remat.runs (view_id, operation, status, trigger, worker, pid, backend_start, started_at, heartbeat_at)
select $1, $2, 'running', $3, $4, pg_catalog.pg_backend_pid(),
       (select backend_start from pg_catalog.pg_stat_get_activity(pg_catalog.pg_backend_pid())),
       clock_timestamp(), clock_timestamp()
returning id, fence
