-- Who holds a lock on the relation, the oldest transaction first. The text of their queries is not shown: it may hold
-- data.
select pg_catalog.format(
         'pid %s (%s%s, %s%s)',
         l.pid,
         coalesce(a.usename, 'a session of another role'),
         coalesce(', ' || nullif(a.application_name, ''), ''),
         coalesce(a.state, a.backend_type, 'state hidden'),
         coalesce(' since ' || pg_catalog.to_char(a.xact_start at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"'), '')
       )
from   pg_catalog.pg_locks l
left   join pg_catalog.pg_stat_activity a on a.pid = l.pid
where  l.locktype = 'relation'
and    l.relation = $1
and    l.database = (select oid from pg_catalog.pg_database where datname = current_database())
and    l.granted
and    l.pid <> pg_catalog.pg_backend_pid()
group  by l.pid, a.usename, a.application_name, a.state, a.backend_type, a.xact_start
order  by a.xact_start nulls last, l.pid
limit  5
