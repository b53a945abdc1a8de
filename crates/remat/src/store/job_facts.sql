-- What alerts ask of each scheduled job that runs SQL.
select j.name,
       bad.id,
       bad.error_message,
       bad.error_hint,
       bad.is_retried,
       (select count(*) from (
          select from remat.runs f
          where  f.view_id is null and f.status = 'failed' and f.job_name = j.name
          and    f.finished_at > coalesce(good.finished_at, '-infinity')
          limit  100) f) as failures
from   remat.scheduled_jobs j
left   join lateral (
         select r.finished_at from remat.runs r
         where  r.job_name = j.name and r.operation = 'sql' and r.status in ('success', 'skipped') and r.status = 'success'
         order  by r.finished_at desc limit 1) good on true
left   join lateral (
         select f.id, f.error_message, f.error_hint, f.meta ? 'retried_by' as is_retried
         from   remat.runs f
         where  f.view_id is null and f.status = 'failed' and f.job_name = j.name
         and    f.finished_at > coalesce(good.finished_at, '-infinity')
         order  by f.finished_at desc limit 1) bad on true
where  j.sql is not null and j.enabled
order  by j.name
