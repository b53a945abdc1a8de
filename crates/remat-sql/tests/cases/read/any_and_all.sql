 SELECT sales.id
   FROM shop.sales
  WHERE ((sales.cents > ALL ( SELECT refunds.cents
           FROM shop.refunds)) AND (sales.cents <> ANY ( SELECT refunds.seq
           FROM shop.refunds)) AND (sales.note ~~ ANY (ARRAY['a%'::text, 'b%'::text])));
