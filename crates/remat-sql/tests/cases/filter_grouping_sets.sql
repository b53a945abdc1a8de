select a, b, grouping(a, b), count(*) filter (where c is distinct from 3), array_agg(distinct d order by d)
from t
group by distinct grouping sets ((a, b), rollup (a), cube (b, (a, b)), ())
having count(*) > 1
