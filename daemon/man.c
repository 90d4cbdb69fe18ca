/* SPDX-License-Identifier: Apache-2.0 */
/* man.c - prints mooringd.8 from the option table; run by the build, not installed */
#include "options.h"

#include <stdio.h>

static const char beginning[] =
        ".SH NAME\nmooringd \\- keeps an AI platform moored to its declared model\n"
        ".SH SYNOPSIS\n.B mooringd\n[\\fIOPTION\\fR]...\n"
        ".SH DESCRIPTION\n"
        "Stores the models that\n.BR mooringctl (1)\n"
        "declares, watches the clusters they live in, and puts right what differs. It runs outside "
        "of\n"
        "those clusters: workloads never depend on it.\n"
        ".PP\n"
        "It needs neither root nor systemd: with \\-\\-state\\-dir, \\-\\-socket and "
        "\\-\\-charm\\-dir it runs\n"
        "anywhere. SIGTERM and SIGINT end it in order; what was acknowledged is written.\n"
        ".PP\n"
        "Options are taken from the configuration file, then the environment, then the arguments; "
        "the\n"
        "last one that says something counts.\n"
        ".SH OPTIONS\n";

static const char ending[] =
        ".SH FILES\n"
        ".TP\n.I /etc/mooring/mooringd.yaml\nconfiguration: a map of the options above, without "
        "dashes in front\n"
        ".TP\n.I /var/lib/mooring/model.db\nthe models; what cannot be made again\n"
        ".TP\n.I /var/lib/mooring/cache.db\ndocuments by their hash; may be deleted while the "
        "daemon is down\n"
        ".TP\n.I /var/lib/mooring/key\nseals secrets and credentials: back it up apart from the "
        "databases\n"
        ".TP\n.I /run/mooring/admin.sock\nthe admin API, HTTP/1.1 with JSON\n"
        ".SH ENVIRONMENT\n"
        ".TP\n.B CREDENTIALS_DIRECTORY\n"
        "where systemd puts the credential mooring\\-key, which is used instead of a key file\n"
        ".SH EXIT STATUS\n.TP\n.B 0\nended by a signal\n.TP\n.B 1\ncould not start: the reason is "
        "logged\n"
        ".TP\n.B 2\nwrong option or configuration\n"
        ".SH SEE ALSO\n.BR mooringctl (1),\n.BR mooring\\-charm (8)\n";

int main(void) {
        printf(".TH MOORINGD 8 \"\" \"mooring %s\" \"System Administration\"\n", MOORING_VERSION);
        fputs(beginning, stdout);
        opt_man(options_table, stdout);
        fputs(ending, stdout);
        return 0;
}
