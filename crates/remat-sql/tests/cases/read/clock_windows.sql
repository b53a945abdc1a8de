 SELECT sales.id
   FROM shop.sales
  WHERE ((sales.sold_at > (now() - '7 days'::interval)) AND (sales.sold_on >= (CURRENT_DATE - 30)) AND (LOCALTIMESTAMP > sales.local_at) AND ((sales.sold_at >= (now() - '1 day'::interval)) AND (sales.sold_at <= date_trunc('day'::text, CURRENT_TIMESTAMP))));
