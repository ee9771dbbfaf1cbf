#!/bin/sh
# Ansible managed
# Patroni's postgresql.bin_name: PostgreSQL has the priority that everything has, and not the higher one of the Patroni that starts it.
renice -n 0 -p $$ > /dev/null 2>&1 || :
exec /usr/lib/postgresql/17/bin/postgres "$@"
