select j.id, a.*, (b).f, (a).*
from a
natural full outer join c
join b using (id) as j
cross join (values (1, 'x'), (2, default_name())) as v (n, s)
