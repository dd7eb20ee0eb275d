#!/bin/bash
# Starts PostgreSQL, and makes the database first where the volume has none.
#
# In:  POSTGRES_USER, POSTGRES_DB (its owner and name), POSTGRES_PASSWORD_FILE or POSTGRES_PASSWORD, PGDATA.
#      Arguments go to the server: `postgres -c max_connections=50`. Any other command is run as it is.
# Out: exit code 2 and one sentence where these do not fit.
set -euo pipefail
umask 0077

readonly SOCKETS=/run/postgresql
readonly LOCK_WAIT=60

refuse() {
    echo "database: $1" >&2
    exit 2
}

# The password never becomes an argument of a program, where every process could read it.
password() {
    local text=${POSTGRES_PASSWORD:-}
    if [[ -n ${POSTGRES_PASSWORD_FILE:-} ]]; then
        [[ -r $POSTGRES_PASSWORD_FILE ]] || refuse "POSTGRES_PASSWORD_FILE: $POSTGRES_PASSWORD_FILE cannot be read. Mount the Secret."
        text=$(<"$POSTGRES_PASSWORD_FILE")
    fi
    [[ -n $text ]] || refuse "no password is given. Set POSTGRES_PASSWORD_FILE or POSTGRES_PASSWORD."
    [[ $text != *$'\n'* ]] || refuse "the password has more than one line. Use one line."
    PASSWORD=$text
}

quoted() { # takes the quotation mark and the text; doubles each such mark within
    printf '%s%s%s' "$1" "${2//"$1"/"$1$1"}" "$1"
}

# Runs the statements on the standard input, one a line, while nothing listens. One that fails ends it; it is logged
# without its text, which may hold the password.
sql() {
    postgres --single -D "$1" -c exit_on_error=on -c log_min_error_statement=panic -c log_checkpoints=off postgres >/dev/null
}

# All is made beside its place and renamed when it is whole, so a start that was cut off leaves nothing to mistake
# for a database.
initialise() {
    local new=$PGDATA.new
    rm -rf "$new"
    initdb --pgdata="$new" --username=postgres --auth-local=trust --auth-host=scram-sha-256 --data-checksums \
        --encoding=UTF8 --locale=C.UTF-8 --no-instructions
    echo "host all all all scram-sha-256" >>"$new/pg_hba.conf"
    sql "$new" <<<"CREATE ROLE $ROLE LOGIN"
    sql "$new" <<<"CREATE DATABASE $DATABASE OWNER $ROLE"
    sync --file-system "$new"
    mv --no-target-directory "$new" "$PGDATA"
    sync --file-system "$PGDATA"
}

# Until the server runs; what is half made then is made anew.
trap 'exit 143' TERM INT

if [[ $# -gt 0 && $1 != postgres && $1 != -* ]]; then
    exec "$@"
fi
[[ ${1:-} == postgres ]] && shift

password
[[ -n ${POSTGRES_USER:-} ]] || refuse "POSTGRES_USER is not set. Name the database's owner."
[[ $POSTGRES_USER != postgres ]] || refuse "POSTGRES_USER is 'postgres', the administrator. Name another."
ROLE=$(quoted '"' "$POSTGRES_USER")
DATABASE=$(quoted '"' "${POSTGRES_DB:-$POSTGRES_USER}")

VOLUME=${PGDATA%/*}
[[ -w $VOLUME ]] || refuse "$VOLUME cannot be written by user $(id -u). Give the volume to that user or its group."
[[ -w $SOCKETS ]] || refuse "$SOCKETS cannot be written by user $(id -u). Mount an empty folder there."

# A pod that was deleted by force may still run beside its successor, and PostgreSQL's own lock does not reach from
# one container into another. This one does; the server inherits it.
exec 9>"$VOLUME/tributary.lock"
flock --timeout "$LOCK_WAIT" 9 || refuse "another server still uses $VOLUME. It must end first."

if [[ -s $PGDATA/PG_VERSION ]]; then
    found=$(<"$PGDATA/PG_VERSION")
    [[ $found == "$PG_MAJOR" ]] || refuse "$PGDATA was written by PostgreSQL $found and this is $PG_MAJOR. Use an image of PostgreSQL $found."
    # By the lock above no server runs, so what an older one left of its own lock is stale.
    rm -f "$PGDATA/postmaster.pid"
elif [[ -d $PGDATA && -n $(ls -A "$PGDATA") ]]; then
    refuse "$PGDATA holds files but no database. Move them away."
else
    rm -rf "$PGDATA"
    initialise
fi

# The Secret is the truth: a password that was changed there holds from the next start on.
sql "$PGDATA" <<<"ALTER ROLE $ROLE PASSWORD $(quoted "'" "$PASSWORD")" ||
    refuse "the password of $POSTGRES_USER could not be set. The line above says why."
unset POSTGRES_PASSWORD PASSWORD

# This shell stays as process 1 and takes in orphans, such as what a probe left behind. PostgreSQL in its place would
# take an orphan that fails for a broken server process, and end all sessions.
postgres -D "$PGDATA" -c listen_addresses='*' -c unix_socket_directories="$SOCKETS" -c jit=off "$@" &
server=$!
# A fast shutdown: sessions are ended rather than waited for.
trap 'kill -INT "$server"' TERM INT
while kill -0 "$server" 2>/dev/null; do
    wait "$server" || true
done
wait "$server"
