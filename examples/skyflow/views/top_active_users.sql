/* remat
strategy    = "concurrent"
key         = ["user_id"]
tags        = ["audience"]
row_count   = "exact"
description = "Wall of fame: the 100 users with the most analyses in the last 30 days."
*/
select
    u.id as user_id,
    u.handle,
    count(*) as analyses,
    count(a.flow_data) as flow_analyses,
    count(a.clout_data) as clout_analyses,
    count(a.kudos_data) as kudos_analyses,
    count(a.pulse_data) as pulse_analyses,
    max(a.analyzed_at) as last_analyzed_at
from timeline_analyses a
join users u on u.id = a.user_id
where a.analyzed_at > now() - interval '30 days'
group by u.id, u.handle
order by count(*) desc, max(a.analyzed_at) desc, u.id
limit 100
