-- R001
/* nothing but words */ ;
