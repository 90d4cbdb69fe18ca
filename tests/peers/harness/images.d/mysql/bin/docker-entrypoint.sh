#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The mysql image's entrypoint, as the official one behaves: same variables, same refusals, same words.
# Underneath is MariaDB: mariadb-install-db and a bootstrap run instead of a temporary server.
set -eo pipefail

note() { printf '%s [Note] [Entrypoint]: %s\n' "$(date --rfc-3339=seconds)" "$*"; }
fail() { printf '%s [ERROR] [Entrypoint]: %s\n' "$(date --rfc-3339=seconds)" "$*" >&2; exit 1; }

# file_env VAR [DEFAULT]: the value of VAR or of the file that VAR_FILE names, not both
file_env() {
        local var="$1" file_var="$1_FILE" value="${2:-}"
        if [ -n "${!var:-}" ] && [ -n "${!file_var:-}" ]; then
                fail "Both $var and $file_var are set (but are exclusive)"
        fi
        if [ -n "${!var:-}" ]; then
                value="${!var}"
        elif [ -n "${!file_var:-}" ]; then
                value="$(<"${!file_var}")"
        fi
        export "$var=$value"
        unset "$file_var"
}

sql_text() {                            # a string literal
        local text="${1//\\/\\\\}"
        printf "'%s'" "${text//\'/\\\'}"
}

check_environment() {
        if [ -z "$MYSQL_ROOT_PASSWORD" ] && [ -z "$MYSQL_ALLOW_EMPTY_PASSWORD" ] && [ -z "$MYSQL_RANDOM_ROOT_PASSWORD" ]; then
                fail "Database is uninitialized and password option is not specified
    You need to specify one of the following as an environment variable:
    - MYSQL_ROOT_PASSWORD
    - MYSQL_ALLOW_EMPTY_PASSWORD
    - MYSQL_RANDOM_ROOT_PASSWORD"
        fi
        if [ "$MYSQL_USER" = root ]; then
                fail 'MYSQL_USER="root", MYSQL_USER and MYSQL_PASSWORD are for configuring a regular user and cannot be used for the root user
    Remove MYSQL_USER="root" and use one of the following to control the root user password:
    - MYSQL_ROOT_PASSWORD
    - MYSQL_ALLOW_EMPTY_PASSWORD
    - MYSQL_RANDOM_ROOT_PASSWORD'
        fi
}

# mysqld --initialize refuses a folder with anything in it
check_empty() {
        if [ -n "$(find "$DATADIR" -mindepth 1 -maxdepth 1 ! -name '.*' ! -name lost+found -print -quit)" ]; then
                echo "[ERROR] [MY-010457] [Server] --initialize specified but the data directory has files in it. Aborting." >&2
                exit 1
        fi
}

first_sql() {                           # a bootstrap run takes one statement a line
        # MySQL makes root@localhost alone; the others of MariaDB would shadow root@'%' with an empty password
        echo "DELETE FROM mysql.global_priv WHERE User = '' OR User = 'root' AND Host <> 'localhost';"
        echo "DELETE FROM mysql.proxies_priv WHERE Host <> 'localhost';"
        echo "FLUSH PRIVILEGES;"
        if [ -n "$MYSQL_ROOT_HOST" ] && [ "$MYSQL_ROOT_HOST" != localhost ]; then
                echo "CREATE USER root@$(sql_text "$MYSQL_ROOT_HOST") IDENTIFIED BY $(sql_text "$MYSQL_ROOT_PASSWORD");"
                echo "GRANT ALL ON *.* TO root@$(sql_text "$MYSQL_ROOT_HOST") WITH GRANT OPTION;"
        fi
        echo "ALTER USER root@localhost IDENTIFIED BY $(sql_text "$MYSQL_ROOT_PASSWORD");"
        echo "GRANT ALL ON *.* TO root@localhost WITH GRANT OPTION;"
        if [ -n "$MYSQL_DATABASE" ]; then
                echo "CREATE DATABASE IF NOT EXISTS \`$MYSQL_DATABASE\`;"
        fi
        if [ -n "$MYSQL_USER" ] && [ -n "$MYSQL_PASSWORD" ]; then
                echo "CREATE USER $(sql_text "$MYSQL_USER")@'%' IDENTIFIED BY $(sql_text "$MYSQL_PASSWORD");"
                if [ -n "$MYSQL_DATABASE" ]; then
                        echo "GRANT ALL ON \`${MYSQL_DATABASE//_/\\_}\`.* TO $(sql_text "$MYSQL_USER")@'%';"
                fi
        fi
}

initialize() {
        check_environment
        check_empty
        note "Initializing database files"
        mariadb-install-db --no-defaults --datadir="$DATADIR" --auth-root-authentication-method=normal \
                --skip-test-db --skip-name-resolve --skip-log-bin >/dev/shm/install.log 2>&1 ||
                { cat /dev/shm/install.log >&2; exit 1; }
        note "Database files initialized"
        if [ -n "$MYSQL_RANDOM_ROOT_PASSWORD" ]; then
                MYSQL_ROOT_PASSWORD="$(head -c 24 /dev/urandom | base64)"
                note "GENERATED ROOT PASSWORD: $MYSQL_ROOT_PASSWORD"
        fi
        first_sql | mariadbd --no-defaults --datadir="$DATADIR" --bootstrap --skip-log-bin >/dev/shm/bootstrap.log 2>&1 ||
                { cat /dev/shm/bootstrap.log >&2; exit 1; }
        for file in /docker-entrypoint-initdb.d/*; do
                case "$file" in
                *.sh) note "running $file"; bash "$file" ;;
                *.sql) note "running $file"
                        { echo "FLUSH PRIVILEGES;"
                          [ -z "$MYSQL_DATABASE" ] || echo "USE \`$MYSQL_DATABASE\`;"
                          cat "$file"; } |
                                mariadbd --no-defaults --datadir="$DATADIR" --bootstrap --skip-log-bin ;;
                esac
        done
        note "MySQL init process done. Ready for start up."
}

if [ "${1:0:1}" = - ]; then
        set -- mysqld "$@"
fi
if [ "$1" = mysqld ]; then
        DATADIR=/var/lib/mysql
        for word in "$@"; do
                case "$word" in --datadir=*) DATADIR="${word#*=}" ;; esac
        done
        if [ "$(id -u)" = 0 ] && [ "$(awk '{print $3}' /proc/self/uid_map)" != 1 ]; then
                mkdir -p "$DATADIR" /var/run/mysqld
                find "$DATADIR" /var/run/mysqld \! -user mysql -exec chown mysql: '{}' +
                note "Switching to dedicated user 'mysql'"
                exec setpriv --reuid mysql --regid mysql --init-groups -- "$0" "$@"
        fi
        file_env MYSQL_ROOT_HOST '%'
        file_env MYSQL_DATABASE
        file_env MYSQL_USER
        file_env MYSQL_PASSWORD
        file_env MYSQL_ROOT_PASSWORD
        if [ ! -d "$DATADIR/mysql" ]; then
                initialize
        fi
fi
exec "$@"
