select distinct on (a, b)
    case a when 1 then 'x' else 'y' end, case when a then b end, a between symmetric 1 and 2, a not like '%x' escape '!',
    a similar to 'b', a at time zone 'utc' at local, (a, b) overlaps (c, d), a operator(pg_catalog.+) b, a collate "C",
    extract(epoch from a), substring(a from 1 for 2), trim(both 'x' from a), position('a' in b), overlay(a placing b from 1),
    cast(a as numeric(10, 2)[]), a::double precision, interval '1' day, timestamp with time zone '2020-01-01',
    array(select 1), array[[1, 2], [3, 4]], a[1:2], row(1, 2) = (a, b), a = any (array[1]), b > all (select 1),
    exists (select), not a isnull, coalesce(a, nullif(b, c)), greatest(a, b), current_date, localtimestamp(3),
    f(variadic a), g(x => 1, y := 2), count(*), t.*, t is not null as "order", !!a, @ -5, |/ 25, a ~* b, a !~~ b
from t
for update of t skip locked
