-- What the definition pins; that a limit of the role on long transactions does not end a run; and that the server ends
-- the work soon after its client is gone (Linux only).
select pg_catalog.set_config(name, '0', true)
from   pg_catalog.unnest(array['transaction_timeout']) as off(name)
where  pg_catalog.current_setting(name, true) is not null
union  all
select pg_catalog.set_config('client_connection_check_interval', '500ms', true)
where  pg_catalog.version() like '%linux%'
union  all
select pg_catalog.set_config(name, value, true)
from   unnest($1::text[], $2::text[]) as pinned(name, value)
