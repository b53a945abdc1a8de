-- R014
SELECT totals.user_id FROM shop.totals NATURAL JOIN shop.moods
