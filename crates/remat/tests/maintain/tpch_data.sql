insert into region select n - 1, (array['AFRICA', 'AMERICA', 'ASIA', 'EUROPE', 'MIDDLE EAST'])[n], '' from generate_series(1, 5) n;
insert into nation
select n - 1,
       (array['ALGERIA', 'ARGENTINA', 'BRAZIL', 'CANADA', 'EGYPT', 'ETHIOPIA', 'FRANCE', 'GERMANY', 'INDIA', 'INDONESIA', 'IRAN', 'IRAQ', 'JAPAN',
              'JORDAN', 'KENYA', 'MOROCCO', 'MOZAMBIQUE', 'PERU', 'CHINA', 'ROMANIA', 'SAUDI ARABIA', 'VIETNAM', 'RUSSIA', 'UNITED KINGDOM', 'UNITED STATES'])[n],
       (array[0, 1, 1, 1, 4, 0, 3, 3, 2, 2, 4, 4, 2, 4, 0, 0, 0, 1, 2, 3, 4, 2, 3, 3, 1])[n], ''
  from generate_series(1, 25) n;
insert into part
select n, (array['forest green', 'red', 'forest blue', 'dark green'])[n % 4 + 1], 'm', (array['Brand#12', 'Brand#23', 'Brand#34', 'Brand#45'])[n % 4 + 1],
       (array['ECONOMY ANODIZED STEEL', 'PROMO BRASS', 'LARGE BRASS', 'MEDIUM POLISHED TIN'])[n / 2 % 4 + 1], (array[15, 49, 14, 5, 3])[n % 5 + 1],
       (array['MED BOX', 'SM CASE', 'LG BOX'])[n % 3 + 1], n * 10, ''
  from generate_series(1, 20) n;
insert into supplier
select n, 'Supplier#' || n, 'a', (array[6, 7, 3, 20, 2, 8, 12, 23])[n % 8 + 1], '1', n * 100 - 300, case when n % 6 = 0 then 'Customer Complaints' else '' end
  from generate_series(1, 12) n;
insert into partsupp select p, s, p * s % 90 * 100, (p * 7 + s * 3) % 40 + 1, '' from generate_series(1, 20) p, generate_series(1, 12) s;
insert into customer
select n, 'Customer#' || n, 'a', (array[6, 7, 3, 20, 2, 8, 12, 1])[n % 8 + 1], (array['13', '31', '23', '29', '11'])[n % 5 + 1] || '-555', n * 37 % 1000 - 200,
       (array['BUILDING', 'MACHINERY'])[n % 2 + 1], ''
  from generate_series(1, 30) n;
insert into orders
select n, n * 7 % 22 + 1, (array['F', 'O'])[n % 2 + 1], n * 11 % 900, date '1993-05-01' + n * 37 % 1200, (array['1-URGENT', '2-HIGH', '3-MEDIUM'])[n % 3 + 1], 'c', 0,
       case when n % 9 = 0 then 'special requests' else '' end
  from generate_series(1, 150) n;
insert into lineitem
select o, (o * 5 + l * 3) % 20 + 1, (o * 3 + l) % 12 + 1, l, (o * l * 7) % 120 + 1, (o * 13 + l * 29) % 1000 + 1, (o + l) % 11 / 100.0, 0.05,
       (array['R', 'A', 'N'])[(o + l) % 3 + 1], (array['F', 'O'])[l % 2 + 1], date '1993-05-10' + o * 37 % 1200 + l, date '1993-05-10' + o * 37 % 1200 + o % 7,
       date '1993-05-12' + o * 37 % 1200 + l, (array['DELIVER IN PERSON', 'NONE'])[(o + l) % 2 + 1], (array['MAIL', 'SHIP', 'AIR', 'AIR REG'])[(o + l) % 4 + 1], ''
  from generate_series(1, 150) o, generate_series(1, 4) l where (o + l) % 5 > 0;
