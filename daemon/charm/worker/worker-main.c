/* SPDX-License-Identifier: Apache-2.0 */
/* worker-main.c - mooring-charm: runs one charm module, for the daemon or for its writer
 *
 *   mooring-charm --worker SHA256 --parent PID
 *       started by the daemon, with its channel and the charm's folder open (serve.h)
 *   mooring-charm --check-sandbox
 *       exit status 0: this machine has what the sandbox needs
 *   mooring-charm --test DIR [--module FILE] [--update]
 *       the harness (harness.h)
 *
 * Links lib only. Sanitizer builds know --sandbox=off, release builds do not. */
#include "clock.h"
#include "harness.h"
#include "opt.h"
#include "sandbox.h"
#include "serve.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

struct options {
        char *worker, *test, *module;
        int64_t parent;
        bool folder, check_sandbox, update, print_man, version, help;
#ifdef MOORING_SANITIZED
        bool sandbox;
#endif
};

#define ARGUMENT (OPT_ARGS_ONLY | OPT_ACT) /* nothing comes from the environment */

static const struct opt table[] = {
        { "test", 't', OPT_PATH, offsetof(struct options, test), NULL, 0, 0, "DIR", ARGUMENT, NULL,
          "runs tests/*.view.json of the charm in DIR and compares with *.plan.json" },
        { "module", 'm', OPT_PATH, offsetof(struct options, module), NULL, 0, 0, "FILE", ARGUMENT,
          NULL, "the built module, when it does not lie in DIR" },
        { "update", 'u', OPT_BOOL, offsetof(struct options, update), NULL, 0, 0, NULL, ARGUMENT,
          NULL, "with --test: writes the plans instead of comparing them" },
        { "check-sandbox", 0, OPT_BOOL, offsetof(struct options, check_sandbox), NULL, 0, 0, NULL,
          ARGUMENT, NULL, "says whether this machine can hold a charm in, and ends" },
        { "worker", 0, OPT_STRING, offsetof(struct options, worker), NULL, 0, 0, "SHA256",
          ARGUMENT | OPT_HIDDEN, NULL,
          "started by the daemon: serves the pinned charm on descriptor 3" },
        { "folder", 0, OPT_BOOL, offsetof(struct options, folder), NULL, 0, 0, NULL,
          ARGUMENT | OPT_HIDDEN, NULL,
          "with --worker: the folder is read as it is, --module names descriptor 5" },
        { "parent", 0, OPT_INT, offsetof(struct options, parent), NULL, 0, 0, "PID",
          ARGUMENT | OPT_HIDDEN, NULL, "with --worker: ends when that process does" },
#ifdef MOORING_SANITIZED
        { "sandbox", 0, OPT_BOOL, offsetof(struct options, sandbox), "true", 0, 0, NULL, ARGUMENT,
          NULL, "confines the charm, which a build with sanitizers cannot bear" },
#endif
        { "print-man", 0, OPT_BOOL, offsetof(struct options, print_man), NULL, 0, 0, NULL,
          ARGUMENT | OPT_HIDDEN, NULL, "prints the man page" },
        { "version", 0, OPT_BOOL, offsetof(struct options, version), NULL, 0, 0, NULL, ARGUMENT,
          NULL, "prints the version" },
        { "help", 'h', OPT_BOOL, offsetof(struct options, help), NULL, 0, 0, NULL, ARGUMENT, NULL,
          "prints this" },
        {},
};

static bool with_sandbox(const struct options *o) {
#ifdef MOORING_SANITIZED
        return o->sandbox;
#else
        return true;
#endif
}

static int check_sandbox(void) {
        struct err err = {};
        int r = sandbox_one(-1, 512ul << 20, 20, &err);

        if (r >= 0)
                r = sandbox_two(&err);
        if (r < 0)
                fprintf(stderr, "mooring-charm: no sandbox: %s\n", err_text(&err));
        /* Not by return: what runs at exit may make calls that are not there any more. */
        _exit(r < 0 ? 1 : 0);
}

static int usage(const char *text) {
        fprintf(stderr, "mooring-charm: %s\nTry mooring-charm --help.\n", text);
        return 2;
}

static int print_man(void) {
        printf(".TH MOORING-CHARM 8 \"\" \"mooring %s\" \"System Administration\"\n"
               ".SH NAME\nmooring\\-charm \\- runs one charm module, for mooringd or for its "
               "writer\n"
               ".SH SYNOPSIS\n.B mooring\\-charm \\-\\-test\n.I DIR\n[\\fB\\-\\-module "
               "\\fIFILE\\fR] [\\fB\\-\\-update\\fR]\n.br\n"
               ".B mooring\\-charm \\-\\-check\\-sandbox\n"
               ".SH DESCRIPTION\n"
               "mooringd starts one for each charm and model and asks it for plans; it sees no "
               "files, no\nnetwork and no clock. Whoever writes a charm runs its tests with it: "
               "each view is planned\ntwice, and what comes must be equal, allowed, and as the "
               "plan file says.\n"
               ".SH OPTIONS\n",
               MOORING_VERSION);
        opt_man(table, stdout);
        fputs(".SH EXIT STATUS\n.TP\n.B 0\ndone; no test failed\n.TP\n.B 1\na test failed, or "
              "there "
              "is no sandbox\n.TP\n.B 2\nwrong usage\n"
              ".SH FILES\n.TP\n.I DIR/charm.yaml\nthe charm\n.TP\n.I "
              "DIR/tests/NAME.view.json\nwhat "
              "it is shown\n.TP\n.I DIR/tests/NAME.plan.json\nwhat it must want\n"
              ".SH EXAMPLE\n.nf\nmooring\\-charm \\-\\-test charms/shop \\-\\-module "
              "build/charms/shop.so\n.fi\n"
              ".SH SEE ALSO\n.BR mooringd (8),\n.BR mooringctl (1)\n",
              stdout);
        return 0;
}

static int run(const struct options *o) {
        struct serve_options s = { o->folder ? NULL : o->worker, o->module, o->parent,
                                   with_sandbox(o) };
        struct harness_options h = { o->test, o->module, o->update, with_sandbox(o) };

        if (o->help) {
                printf("Usage: mooring-charm --test DIR [--module FILE] [--update]\n\nRuns charm "
                       "modules for Mooring.\n\n");
                opt_help(table, stdout);
                return 0;
        }
        if (o->print_man)
                return print_man();
        if (o->version) {
                printf("mooring-charm %s\n", MOORING_VERSION);
                return 0;
        }
        if (o->check_sandbox)
                return check_sandbox();
        if (o->worker)
                return serve_run(&s);
        return o->test ? harness_run(&h) : usage("nothing to do");
}

int main(int argc, char **argv) {
        struct options o = {};
        struct err err = {};
        int count = argc - 1, r = opt_defaults(table, &o, &err);

        prctl(PR_SET_NAME, "mooring-charm"); /* started from a descriptor, its name is a number */
        if (r >= 0)
                r = opt_from_args(table, &o, &count, argv + 1, &err);
        if (r >= 0 && count > 0)
                r = err_set(&err, -EINVAL, "%s is not an option", argv[1]);
        r = r < 0 ? usage(err_text(&err)) : run(&o);
        opt_deinit(table, &o);
        return r;
}
