-- What the definition pins, and that the server ends the work soon after its client is gone (Linux only).
select pg_catalog.set_config(name, value, true)
from   unnest($1::text[], $2::text[]) as pinned(name, value)
union  all
select pg_catalog.set_config('client_connection_check_interval', '500ms', true)
where  pg_catalog.version() like '%linux%'
