-- One statement: the row and, when something changed, its version.
with saved as (
  insert into remat.views as v (schema_name, view_name, query, strategy, key_columns, indexes, schedule, schedule_zone,
                                target_lag_s, row_count, settings, tags, owner_role, description, publish, strict, fingerprint, project,
                                dispatch)
  values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $16 -> 'publish',
          coalesce(($16 ->> 'strict')::boolean, false), $15, $17, $18)
  on conflict (schema_name, view_name) do update
  set query         = excluded.query,
      strategy      = excluded.strategy,
      key_columns   = excluded.key_columns,
      indexes       = excluded.indexes,
      schedule      = excluded.schedule,
      schedule_zone = excluded.schedule_zone,
      target_lag_s  = excluded.target_lag_s,
      row_count     = excluded.row_count,
      settings      = excluded.settings,
      tags          = excluded.tags,
      owner_role    = excluded.owner_role,
      description   = excluded.description,
      dispatch      = excluded.dispatch,
      publish       = excluded.publish,
      strict        = excluded.strict,
      fingerprint   = excluded.fingerprint,
      project       = coalesce(excluded.project, v.project),
      version       = v.version + 1,
      retired_at    = null,
      updated_at    = clock_timestamp()
  where v.fingerprint <> excluded.fingerprint or v.retired_at is not null
     or v.project is distinct from coalesce(excluded.project, v.project)
  returning v.id, v.version
)
insert into remat.view_versions (view_id, version, definition, fingerprint)
select id, version, $16, $15 from saved
