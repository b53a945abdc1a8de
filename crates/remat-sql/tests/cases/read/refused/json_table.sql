-- R012
SELECT j.a FROM JSON_TABLE('[1]'::jsonb, '$[*]' AS p COLUMNS (a integer PATH '$')) j
