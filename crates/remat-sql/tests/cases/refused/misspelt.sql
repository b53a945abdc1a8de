-- R006
selec 1
