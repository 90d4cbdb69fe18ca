/* SPDX-License-Identifier: Apache-2.0 */
/* mysql-query.h - any one statement of an action, and its rows */
#pragma once

#include "mysql-session.h"

int mysql_query_run(struct sql_session *s, struct sql_task *t, const struct buf *statement,
                    json_t **ret);
