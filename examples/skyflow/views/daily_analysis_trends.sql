/* remat
strategy    = "merge"
key         = ["day"]
tags        = ["audience"]
row_count   = "exact"
description = "Analyses per UTC day over the last 90 days, for the chart. The oldest day is cut by the window."
*/
select
    (analyzed_at at time zone 'UTC')::date as day,
    count(*) as analyses,
    count(distinct user_id) as users,
    count(flow_data) as flow_analyses,
    count(clout_data) as clout_analyses,
    count(kudos_data) as kudos_analyses,
    count(pulse_data) as pulse_analyses,
    round(avg((pulse_data ->> 'engagement_rate')::numeric), 4) as avg_engagement
from timeline_analyses
where analyzed_at > now() - interval '90 days'
group by (analyzed_at at time zone 'UTC')::date
