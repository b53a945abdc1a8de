-- Views with the names, columns and numbers of the engine that the mission's texts describe, for dashboards and
-- scripts that read those. Status: 0 pending, 1 running (also while an outcome is being resolved), 2 success,
-- 3 failed (also cancelled). Runs that were skipped did not try anything and do not appear.

create function remat.status_number(status text) returns integer
language sql immutable parallel safe
return case status when 'pending' then 0 when 'running' then 1 when 'unknown' then 1 when 'success' then 2 else 3 end;

create view remat.mat_view_definitions as
select id,
       view_name as name,
       schema_name,
       query as sql,
       case strategy when 'regular' then 0 when 'concurrent' then 1 when 'swap' then 2 else 3 end as refresh_strategy,
       strategy as refresh_strategy_name,
       schedule as schedule_cron,
       to_jsonb(key_columns) as unique_index_columns,
       created_at,
       updated_at
from   remat.views
where  retired_at is null;

create view remat.mat_view_create_runs as
select id,
       view_id as mat_view_definition_id,
       remat.status_number(status) as status,
       started_at,
       finished_at,
       duration_ms::integer as duration_ms,
       coalesce(error_message, case status when 'cancelled' then 'cancelled' end) as error,
       meta,
       queued_at as created_at,
       coalesce(finished_at, started_at, queued_at) as updated_at
from   remat.runs
where  operation = 'create' and status <> 'skipped';

create view remat.mat_view_refresh_runs as
select id,
       view_id as mat_view_definition_id,
       remat.status_number(status) as status,
       started_at,
       finished_at,
       duration_ms::integer as duration_ms,
       rows_after::integer as rows_count,
       coalesce(error_message, case status when 'cancelled' then 'cancelled' end) as error,
       meta,
       queued_at as created_at,
       coalesce(finished_at, started_at, queued_at) as updated_at
from   remat.runs
where  operation = 'refresh' and status <> 'skipped';

create view remat.mat_view_delete_runs as
select id,
       view_id as mat_view_definition_id,
       remat.status_number(status) as status,
       started_at,
       finished_at,
       duration_ms::integer as duration_ms,
       coalesce(error_message, case status when 'cancelled' then 'cancelled' end) as error,
       meta,
       queued_at as created_at,
       coalesce(finished_at, started_at, queued_at) as updated_at
from   remat.runs
where  operation = 'delete' and status <> 'skipped';

create view remat.materialized_view_refreshes as
select r.id,
       case when v.schema_name = 'public' then v.view_name else v.schema_name || '.' || v.view_name end as view_name,
       r.started_at,
       r.finished_at as completed_at,
       r.duration_ms::integer as duration_ms,
       r.rows_after::integer as row_count,
       case r.status when 'success' then 'success' when 'running' then 'running' when 'unknown' then 'running' else 'failed' end as status,
       coalesce(r.error_message, case r.status when 'cancelled' then 'cancelled' end) as error_message
from   remat.runs r
join   remat.views v on v.id = r.view_id
where  r.operation = 'refresh' and r.status not in ('skipped', 'pending');
