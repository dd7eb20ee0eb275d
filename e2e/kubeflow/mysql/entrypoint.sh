# Starts MariaDB as upstream's manifest starts MySQL: the same arguments, but for two that MariaDB does not know.
set -eu
data=/var/lib/mysql
for word; do
	shift
	case $word in
	--authentication-policy=* | --mysql-native-password=*) ;;
	*) set -- "$@" "$word" ;;
	esac
done
if [ ! -d $data/mysql ]; then
	rm -rf ${data:?}/*
	mariadb-install-db --no-defaults --datadir=$data --auth-root-authentication-method=normal --skip-test-db >/dev/null
fi
# As small as its load: a few rows a step. A killed process loses nothing by the flush setting, a lost machine a second.
exec mariadbd --no-defaults "$@" --bind-address=0.0.0.0 --skip-name-resolve --init-file=/init.sql \
	--socket=/tmp/mysqld.sock --pid-file=/tmp/mysqld.pid --innodb-buffer-pool-size=64M --innodb-flush-log-at-trx-commit=2
