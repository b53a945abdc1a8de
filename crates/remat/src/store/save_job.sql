insert into remat.scheduled_jobs as j (name, schedule, zone, view_id, tag, sql, enabled, project, dispatch)
values ($1, $2, $3, (select id from remat.views where schema_name = $4 and view_name = $5), $6, $7, $8, $9, $10)
on conflict (name) do update
set schedule   = excluded.schedule,
    zone       = excluded.zone,
    view_id    = excluded.view_id,
    tag        = excluded.tag,
    sql        = excluded.sql,
    enabled    = excluded.enabled,
    dispatch   = excluded.dispatch,
    project    = coalesce(excluded.project, j.project),
    updated_at = clock_timestamp()
