-- R012
SELECT x.a FROM shop.sales s, LATERAL XMLTABLE(('/r'::text) PASSING ((s.note)::xml) COLUMNS a integer PATH ('a'::text)) x
