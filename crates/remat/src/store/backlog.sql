-- What waits and works in which queue. The queue `*` stands for all of them together and has no runs.
with live as (
  select r.queue,
         r.status,
         r.due_at > pg_catalog.clock_timestamp() as is_later,
         r.waits_for <> '{}' and exists (
           select from remat.runs u
           where  u.id = any(r.waits_for) and u.status in ('pending', 'running', 'unknown')) as waits
  from   remat.runs r
  where  r.status = 'pending' or r.status in ('running', 'unknown')
),
counted as (
  select l.queue,
         count(*) filter (where l.status = 'pending' and not l.waits and not l.is_later) as due,
         count(*) filter (where l.status = 'pending' and not l.waits and l.is_later) as later,
         count(*) filter (where l.status = 'pending' and l.waits) as waiting,
         count(*) filter (where l.status <> 'pending') as running
  from   live l
  group  by l.queue
)
select coalesce(c.queue, q.name),
       coalesce(c.due, 0),
       coalesce(c.later, 0),
       coalesce(c.waiting, 0),
       coalesce(c.running, 0),
       q.concurrency
from   counted c
full   join remat.queues q on q.name = c.queue
order  by 1
