-- R014
TABLE shop.sales
