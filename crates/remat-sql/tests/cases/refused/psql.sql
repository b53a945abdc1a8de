-- R006
\copy t to 'x'
