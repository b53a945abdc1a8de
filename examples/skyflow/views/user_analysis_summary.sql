/* remat
strategy    = "merge"
key         = ["user_id"]
tags        = ["audience"]
row_count   = "exact"
description = "One row per user who ever made an analysis, over all time: the user's own dashboard."
*/
select
    user_id,
    count(*) as analyses,
    count(flow_data) as flow_analyses,
    count(clout_data) as clout_analyses,
    count(kudos_data) as kudos_analyses,
    count(pulse_data) as pulse_analyses,
    round(avg((flow_data ->> 'score')::numeric), 2) as avg_flow_score,
    round(avg((clout_data ->> 'score')::numeric), 2) as avg_clout_score,
    round(avg((kudos_data ->> 'score')::numeric), 2) as avg_kudos_score,
    round(avg((pulse_data ->> 'score')::numeric), 2) as avg_pulse_score,
    min(analyzed_at) as first_analyzed_at,
    max(analyzed_at) as last_analyzed_at
from timeline_analyses
group by user_id
