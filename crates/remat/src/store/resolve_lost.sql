-- Success is written by the transaction that did the work, under an advisory lock keyed by the run. A run that still
-- says `running`, whose lock nobody holds and whose session has gone, was therefore rolled back. Behind a pooler the
-- session may outlive its client: there a minute without the lock decides.
update remat.runs r
set    status         = 'failed',
       finished_at    = clock_timestamp(),
       error_message  = 'the connection of this run was lost and its work was rolled back',
       error_sqlstate = '08006',
       error_hint     = 'The contents are those of the last success. Refresh the view again.'
where  r.status in ('running', 'unknown')
and    not exists (
         select from pg_catalog.pg_locks l
         where  l.locktype = 'advisory'
         and    l.classid = $1::oid
         and    l.objid = (pg_catalog.mod(r.id, 2147483647::int8)::int4)::oid
         and    l.objsubid = 2
         and    l.database = (select oid from pg_catalog.pg_database where datname = current_database()))
and    (   r.started_at < clock_timestamp() - interval '1 minute'
        or not exists (
             select from pg_catalog.pg_stat_activity a
             where  a.pid = r.pid
             and    (a.backend_start is null or r.backend_start is null or a.backend_start = r.backend_start)))
returning r.id
