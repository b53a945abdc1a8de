/* remat
strategy    = "regular"
key         = ["id"]
tags        = ["audience"]
row_count   = "exact"
description = "The three figures at the top of the landing page, over the last 30 days. Always one row."
*/
select
    1 as id,
    count(*) as total_analyses,
    count(distinct user_id) as total_users,
    round(avg((pulse_data ->> 'engagement_rate')::numeric), 4) as avg_engagement
from timeline_analyses
where analyzed_at > now() - interval '30 days'
