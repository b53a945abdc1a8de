select
    percentile_cont(array[0.5, 0.9]) within group (order by x),
    mode() within group (order by y) filter (where y > 0),
    rank(1) within group (order by z desc nulls last)
from t
