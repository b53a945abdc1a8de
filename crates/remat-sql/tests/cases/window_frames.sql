select
    sum(x) over w,
    sum(x) over (partition by a order by b rows between 2 preceding and current row exclude current row),
    avg(x) over (order by b groups between unbounded preceding and 1 following exclude ties),
    lag(x, 2) over (order by t range between interval '1 day' preceding and unbounded following exclude group),
    first_value(x) over (w rows unbounded preceding exclude no others)
from t
window w as (partition by a order by b desc nulls last)
