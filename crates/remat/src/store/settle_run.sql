-- The fence and the status say whose run it is: a worker that lost it changes nothing.
update remat.runs
set    status         = $3,
       strategy       = $4,
       reason         = $5,
       data_as_of     = $6,
       lock_wait_ms   = $7,
       duration_ms    = $8,
       rows_before    = $9,
       rows_after     = $10,
       rows_inserted  = $11,
       rows_updated   = $12,
       rows_deleted   = $13,
       bytes          = $14,
       error_message  = $15,
       error_sqlstate = $16,
       error_detail   = $17,
       error_hint     = $18,
       meta           = meta || $19,
       finished_at    = clock_timestamp()
where  id = $1
and    fence = $2
and    status in ('running', 'unknown')
