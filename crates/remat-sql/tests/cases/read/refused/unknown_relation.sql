-- R013
SELECT id FROM shop.absent
