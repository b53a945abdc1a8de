-- Who holds up a session, at up to five removes, and whom it holds up. Only sessions that wait are asked by whom; $2 are
-- those that are known to hold it up beside that.
with recursive above(pid, of_pid, depth) as (
  select b.pid, $1::int4, 1 from unnest(pg_catalog.pg_blocking_pids($1) || $2::int4[]) b(pid)
  union
  select b.pid, a.pid, a.depth + 1
  from   above a cross join lateral unnest(pg_catalog.pg_blocking_pids(a.pid)) b(pid)
  where  a.depth < 5
),
below as (
  select w.pid, $1::int4 as of_pid, -1 as depth
  from   pg_catalog.pg_stat_activity w
  where  w.wait_event_type = 'Lock' and $1 = any (pg_catalog.pg_blocking_pids(w.pid))
)
select b.pid, b.of_pid, b.depth, s.usename::text, s.application_name, s.client_addr::text, s.state,
       extract(epoch from clock_timestamp() - coalesce(s.xact_start, s.state_change))::float8 as since_s,
       left(s.query, 500) as query
from   (select * from above union all select * from below) b
left   join pg_catalog.pg_stat_activity s on s.pid = b.pid
order  by b.depth, b.pid
