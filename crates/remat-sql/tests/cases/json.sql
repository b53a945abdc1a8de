select
    doc -> 'a' ->> 'b', doc #>> '{a,b}', doc @> '{"a":1}'::jsonb, doc ? 'k', doc ?| array['a'], doc @? '$.a[*]',
    doc['a']['b'], jsonb_path_query(doc, '$.a ? (@ > 1)'),
    json_object('k': 1 absent on null), json_arrayagg(x order by x returning jsonb), x is json object with unique keys,
    json_value(doc, '$.a' returning int default 0 on empty error on error)
from t,
json_table(doc, '$.items[*]' columns (id for ordinality, name text path '$.name', nested path '$.b[*]' columns (c int path '$'))) as jt
