#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The postgres image's entrypoint, as the official one behaves on an empty and on a used PGDATA.
set -eo pipefail

fail() { printf 'Error: %s\n' "$*" >&2; exit 1; }

file_env() {
        local var="$1" file_var="$1_FILE" value="${2:-}"
        if [ -n "${!var:-}" ] && [ -n "${!file_var:-}" ]; then
                fail "both $var and $file_var are set (but are exclusive)"
        fi
        if [ -n "${!var:-}" ]; then
                value="${!var}"
        elif [ -n "${!file_var:-}" ]; then
                value="$(<"${!file_var}")"
        fi
        export "$var=$value"
        unset "$file_var"
}

# PostgreSQL refuses root, so here is somebody else: the user, or a namespace that says so
not_root() {
        if [ "$(awk '{print $3}' /proc/self/uid_map)" = 1 ]; then
                exec unshare --user --map-user=999 --map-group=999 -- "$0" "$@"
        fi
        mkdir -p "$PGDATA" /var/run/postgresql
        find "$PGDATA" /var/run/postgresql \! -user postgres -exec chown postgres: '{}' +
        exec setpriv --reuid postgres --regid postgres --init-groups -- "$0" "$@"
}

initialize() {
        if [ -z "$POSTGRES_PASSWORD" ] && [ "$POSTGRES_HOST_AUTH_METHOD" != trust ]; then
                fail 'Database is uninitialized and superuser password is not specified.
       You must specify POSTGRES_PASSWORD to a non-empty value for the
       superuser. For example, "-e POSTGRES_PASSWORD=password" on "docker run".'
        fi
        eval "\"$PEERS_PROGRAM/initdb\" --username=\"\$POSTGRES_USER\" --pwfile=<(printf '%s\n' \"\$POSTGRES_PASSWORD\") $POSTGRES_INITDB_ARGS"
        printf '\nhost all all all %s\n' "${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}" >>"$PGDATA/pg_hba.conf"
        if [ "$POSTGRES_DB" != postgres ]; then
                printf 'CREATE DATABASE "%s";\n' "$POSTGRES_DB" |
                        "$PEERS_PROGRAM/postgres" --single -jE postgres >/dev/null
        fi
        echo "PostgreSQL init process complete; ready for start up."
}

if [ "${1:0:1}" = - ]; then
        set -- postgres "$@"
fi
if [ "$1" = postgres ]; then
        [ "$(id -u)" != 0 ] || not_root "$@"
        file_env POSTGRES_PASSWORD
        file_env POSTGRES_USER postgres
        file_env POSTGRES_DB "$POSTGRES_USER"
        mkdir -p "$PGDATA"
        chmod 0700 "$PGDATA" || :
        [ -s "$PGDATA/PG_VERSION" ] || initialize
        set -- "$@" -c listen_addresses='*'
fi
exec "$@"
