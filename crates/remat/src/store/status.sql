-- remat.status() is the one place where a state is decided; this only adds what the function leaves out.
select v.id, v.schema_name, v.view_name, v.strategy, s.state, s.data_as_of,
       extract(epoch from s.age)::float8, v.target_lag_s, v.tags, a.finding, a.made_at, a.run_id, a.facts
from   remat.status() s
join   remat.views v on remat.typed_name(v.schema_name, v.view_name) = s.view and v.retired_at is null
left   join remat.verifications a on a.view_id = v.id and a.finding is not null
order  by v.schema_name, v.view_name
