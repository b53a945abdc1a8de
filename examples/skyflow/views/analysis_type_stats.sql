/* remat
strategy    = "auto"
key         = ["analysis_type"]
tags        = ["audience"]
row_count   = "exact"
description = "How often each kind of analysis was made in the last 30 days, by how many users, and how it scored."
*/
select
    analysis_type,
    count(*) as analyses,
    count(distinct user_id) as users,
    round(avg(score), 2) as avg_score,
    max(analyzed_at) as last_analyzed_at
from (
    select 'flow' as analysis_type, user_id, (flow_data ->> 'score')::numeric as score, analyzed_at
    from timeline_analyses
    where flow_data is not null and analyzed_at > now() - interval '30 days'
    union all
    select 'clout' as analysis_type, user_id, (clout_data ->> 'score')::numeric as score, analyzed_at
    from timeline_analyses
    where clout_data is not null and analyzed_at > now() - interval '30 days'
    union all
    select 'kudos' as analysis_type, user_id, (kudos_data ->> 'score')::numeric as score, analyzed_at
    from timeline_analyses
    where kudos_data is not null and analyzed_at > now() - interval '30 days'
    union all
    select 'pulse' as analysis_type, user_id, (pulse_data ->> 'score')::numeric as score, analyzed_at
    from timeline_analyses
    where pulse_data is not null and analyzed_at > now() - interval '30 days'
) as document
group by analysis_type
