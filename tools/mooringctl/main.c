/* SPDX-License-Identifier: Apache-2.0 */
/* main.c - mooringctl: one binary, a command a row (command.h) */
#include "cli.h"

#include <locale.h>
#include <signal.h>
#include <stdlib.h>

int main(int argc, char **argv) {
        setlocale(LC_CTYPE, "");
        signal(SIGPIPE, SIG_IGN);
        return cli_run(argc, argv);
}
