select *
from t
left join lateral (select max(x) from u where u.id = t.id) m on true,
rows from (generate_series(1, 3), unnest(array['a', 'b'])) with ordinality as r (n, s, i),
json_to_recordset('[{"a":1}]') as j (a int, b text),
t * tablesample bernoulli (10) repeatable (42)
