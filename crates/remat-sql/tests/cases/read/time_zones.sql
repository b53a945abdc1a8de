 SELECT (sold_at AT TIME ZONE 'UTC'::text) AS utc,
    (local_at AT TIME ZONE 'Europe/Berlin'::text) AS there,
    ((sold_at AT TIME ZONE 'UTC'::text))::date AS day
   FROM shop.sales;
