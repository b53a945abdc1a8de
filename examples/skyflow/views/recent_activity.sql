/* remat
strategy    = "auto"
key         = ["analysis_id"]
tags        = ["audience"]
row_count   = "exact"
description = "The live feed: the last 50 analyses of the last 24 hours."
*/
select
    a.id as analysis_id,
    a.user_id,
    u.handle,
    a.target_did,
    a.flow_data is not null as has_flow,
    a.clout_data is not null as has_clout,
    a.kudos_data is not null as has_kudos,
    a.pulse_data is not null as has_pulse,
    a.analyzed_at
from timeline_analyses a
join users u on u.id = a.user_id
where a.analyzed_at > now() - interval '24 hours'
order by a.analyzed_at desc, a.id desc
limit 50
