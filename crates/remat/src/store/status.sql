select v.id, v.schema_name, v.view_name, v.strategy, s.state, s.data_as_of,
       extract(epoch from s.age)::float8, v.target_lag_s, v.tags
from   remat.status() s
join   remat.views v on v.id = s.view_id
order  by v.schema_name, v.view_name
