 SELECT user_id,
    s.cents,
    m.mood,
    t.cents AS total
   FROM ((shop.sales s
     FULL JOIN shop.moods m USING (user_id))
     FULL JOIN shop.totals t USING (user_id));
