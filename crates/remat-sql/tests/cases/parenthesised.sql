((select 1));;
