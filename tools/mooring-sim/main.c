/* SPDX-License-Identifier: Apache-2.0 */
/* main.c - mooring-sim: a stand-in for a Kubernetes cluster on a loopback port
 *
 *   mooring-sim --kubeconfig FILE --control SOCKET      serves until SIGTERM or SIGINT
 *   mooring-sim ctl --control SOCKET fault 429          breaks things in one that runs
 *
 * For tests and `tools/try`: everything is in memory, nobody is kept out but by a token. */
#include "control_socket.h"
#include "controllers/controllers.h"
#include "http.h"
#include "kubeconfig.h"
#include "log.h"
#include "loop.h"
#include "opt.h"
#include "state.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

struct settings {
        struct sim_options sim;
        bool tls, help;
        char *log;
};

#define AT(member) offsetof(struct settings, member)

static const struct opt options[] = {
        { "listen", 0, OPT_STRING, AT(sim.listen), "127.0.0.1:0", 0, 0, "ADDRESS:PORT", 0, NULL,
          "where to serve; port 0 takes a free one" },
        { "address-file", 0, OPT_PATH, AT(sim.address_file), NULL, 0, 0, "FILE", 0, NULL,
          "write the address to FILE once it is served" },
        { "kubeconfig", 0, OPT_PATH, AT(sim.kubeconfig), NULL, 0, 0, "FILE", 0, NULL,
          "write a kubeconfig that leads here" },
        { "control", 0, OPT_PATH, AT(sim.control), NULL, 0, 0, "SOCKET", 0, NULL,
          "listen for `mooring-sim ctl` on SOCKET" },
        { "token", 0, OPT_STRING, AT(sim.token), "mooring-sim-token", 0, 0, "TEXT", 0, NULL,
          "the bearer token that is let in; empty: everybody" },
        { "state", 0, OPT_PATH, AT(sim.state), NULL, 0, 0, "FILE", 0, NULL,
          "read objects from FILE at the start and write them there at the end" },
        { "tls", 0, OPT_BOOL, AT(tls), NULL, 0, 0, NULL, 0, NULL,
          "serve HTTPS with a certificate made for this run" },
        { "pod-start", 0, OPT_DURATION, AT(sim.pod_start_ms), "200ms", 0, 3600000, "TIME", 0, NULL,
          "how long a pod takes to be ready" },
        { "crd-delay", 0, OPT_DURATION, AT(sim.crd_delay_ms), "20ms", 0, 3600000, "TIME", 0, NULL,
          "how long a CRD takes to be served" },
        { "bookmarks", 0, OPT_DURATION, AT(sim.bookmark_ms), "60s", 10, 3600000, "TIME", 0, NULL,
          "time between a watch's bookmarks" },
        { "no-watch-list", 0, OPT_BOOL, AT(sim.no_watch_list), NULL, 0, 0, NULL, 0, NULL,
          "refuse sendInitialEvents, as Kubernetes 1.33 does" },
        { "help", 'h', OPT_BOOL, AT(help), NULL, 0, 0, NULL, OPT_ARGS_ONLY, NULL,
          "print this and end" },
        {},
};

struct signals {
        struct poller poller;
        struct sim *sim;
};

static void on_signal(struct poller *p, short events) {
        container_of(p, struct signals, poller)->sim->stopping = true;
}

static int watch_signals(struct signals *s, struct sim *sim, struct err *err) {
        sigset_t set;

        sigemptyset(&set);
        sigaddset(&set, SIGTERM);
        sigaddset(&set, SIGINT);
        sigprocmask(SIG_BLOCK, &set, NULL);
        signal(SIGPIPE, SIG_IGN);
        s->poller = (struct poller){ .fd = signalfd(-1, &set, SFD_CLOEXEC),
                                     .events = POLLIN,
                                     .ready = on_signal };
        s->sim = sim;
        if (s->poller.fd < 0)
                return err_set(err, -errno, "signalfd");
        loop_add(sim, &s->poller);
        return 0;
}

static int fill(struct sim *sim, struct err *err) {
        int r = sim->options.state ? state_load(sim, sim->options.state, err) : 1;

        if (r == 1)
                controllers_seed(sim);
        return MIN_OF(r, 0);
}

static int announce(struct sim *sim, struct err *err) {
        const struct sim_options *o = &sim->options;
        int r = 0;

        if (o->kubeconfig)
                r = kubeconfig_write(sim, o->kubeconfig, err);
        if (r == 0 && o->address_file)
                r = kubeconfig_write_file(o->address_file, sim->address, 0644, err);
        if (r == 0) {
                printf("%s://%s\n", o->certificate ? "https" : "http", sim->address);
                fflush(stdout);
        }
        return r;
}

static int serve(struct sim *sim, struct err *err) {
        const struct sim_options *o = &sim->options;
        struct signals signals = { 0 };
        int r = watch_signals(&signals, sim, err);

        if (r == 0)
                r = fill(sim, err);
        if (r == 0)
                r = http_start(sim, err);
        if (r == 0 && o->control)
                r = control_listen(sim, o->control, err);
        if (r == 0)
                r = announce(sim, err);
        if (r == 0)
                r = loop_run(sim, err);
        http_stop(sim);
        control_close(sim);
        if (r == 0 && o->state)
                r = state_save(sim, o->state, err);
        if (signals.poller.fd > 0)
                close(signals.poller.fd);
        return r;
}

static int run(struct settings *s, struct err *err) {
        struct sim sim = { 0 };
        int r = s->tls ? kubeconfig_certificate(&s->sim.certificate, &s->sim.key, err) : 0;

        if (r < 0)
                return r;
        r = sim_init(&sim, err);
        sim.options = s->sim;
        if (r == 0)
                r = serve(&sim, err);
        sim_deinit(&sim);
        free(s->sim.certificate);
        free(s->sim.key);
        return r;
}

int main(int argc, char **argv) {
        struct settings s = { 0 };
        struct err err = { 0 };
        int r, n = argc - 1;

        if (argc > 1 && str_eq(argv[1], "ctl"))
                return ctl_main(argc - 1, argv + 1);
        r = opt_defaults(options, &s, &err);
        if (r == 0)
                r = opt_from_args(options, &s, &n, argv + 1, &err);
        if (r == 0 && s.help) {
                puts("usage: mooring-sim [OPTION]...\n       mooring-sim ctl --control SOCKET WORD "
                     "...\n");
                opt_help(options, stdout);
        } else if (r == 0 && n > 0) {
                r = err_set(&err, -EINVAL, "unexpected argument: %s", argv[1]);
        } else if (r == 0) {
                r = run(&s, &err);
        }
        if (r < 0)
                fprintf(stderr, "mooring-sim: %s\n", err_text(&err));
        opt_deinit(options, &s);
        return r < 0 ? (err.code == -EINVAL ? 2 : 1) : 0;
}
