/* remat
strategy    = "auto"
key         = ["metric_a", "metric_b"]
tags        = ["audience", "premium"]
row_count   = "exact"
description = "Pearson correlation of each pair of scores over the last 30 days, rounded to 6 places."
*/
with scores as (
    select
        (flow_data ->> 'score')::float8 as flow,
        (clout_data ->> 'score')::float8 as clout,
        (kudos_data ->> 'score')::float8 as kudos,
        (pulse_data ->> 'score')::float8 as pulse
    from timeline_analyses
    where analyzed_at > now() - interval '30 days'
),
totals as (
    select
        regr_count(flow, clout) as flow_clout_n, corr(flow, clout) as flow_clout,
        regr_count(flow, kudos) as flow_kudos_n, corr(flow, kudos) as flow_kudos,
        regr_count(flow, pulse) as flow_pulse_n, corr(flow, pulse) as flow_pulse,
        regr_count(clout, kudos) as clout_kudos_n, corr(clout, kudos) as clout_kudos,
        regr_count(clout, pulse) as clout_pulse_n, corr(clout, pulse) as clout_pulse,
        regr_count(kudos, pulse) as kudos_pulse_n, corr(kudos, pulse) as kudos_pulse
    from scores
)
select
    pair.metric_a,
    pair.metric_b,
    pair.analyses,
    round(pair.correlation::numeric, 6) as correlation
from totals
cross join lateral (
    values
        ('flow', 'clout', flow_clout_n, flow_clout),
        ('flow', 'kudos', flow_kudos_n, flow_kudos),
        ('flow', 'pulse', flow_pulse_n, flow_pulse),
        ('clout', 'kudos', clout_kudos_n, clout_kudos),
        ('clout', 'pulse', clout_pulse_n, clout_pulse),
        ('kudos', 'pulse', kudos_pulse_n, kudos_pulse)
) as pair (metric_a, metric_b, analyses, correlation)
