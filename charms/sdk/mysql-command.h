/* SPDX-License-Identifier: Apache-2.0 */
/* mysql-command.h - MySQL's client and mysqldump in a shell of a pod that has MySQL's or MariaDB's;
 * options follow. The password is in MYSQL_PWD, the host in MYSQL_HOST where it is not this one. */
#pragma once

#define MYSQL_TCP                                                                                  \
        " --no-defaults --protocol=tcp --host=\"${MYSQL_HOST:-127.0.0.1}\" "                       \
        "--max-allowed-packet=1G --default-character-set=utf8mb4"
#define MYSQL_CLIENT                                                                               \
        "exec \"$(command -v mysql || command -v mariadb)\"" MYSQL_TCP " --binary-mode --batch"
/* One transaction's view, while others write; without what only an administrator may read. */
#define MYSQL_DUMP_PROGRAM "\"$(command -v mysqldump || command -v mariadb-dump)\""
#define MYSQL_DUMP_OPTIONS                                                                         \
        MYSQL_TCP " --loose-set-gtid-purged=OFF --single-transaction --quick --hex-blob "          \
                  "--triggers --no-tablespaces --skip-dump-date"
#define MYSQL_DUMP "exec " MYSQL_DUMP_PROGRAM MYSQL_DUMP_OPTIONS
