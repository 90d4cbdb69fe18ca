/* SPDX-License-Identifier: Apache-2.0 */
/* sim.c - the cluster as it begins, and who hears of a change; see sim.h */
#include "sim.h"

#include "clock.h"
#include "controllers/controllers.h"
#include "faults.h"
#include "exec.h"
#include "portforward.h"
#include "store.h"
#include "watch.h"
#include "work.h"

#include <stdlib.h>

json_t *sim_now(void) {
        char text[CLOCK_TEXT_MAX];

        return json_string(clock_iso(clock_wall(), false, text));
}

static uint64_t mix(uint64_t x) {
        x ^= x >> 30;
        x *= 0xbf58476d1ce4e5b9u;
        x ^= x >> 27;
        x *= 0x94d049bb133111ebu;
        return x ^ x >> 31;
}

static void uid_text(uint64_t seed, uint64_t n, char ret[37]) {
        uint64_t a = mix(seed + n * 0x9e3779b97f4a7c15u), b = mix(a ^ n);

        snprintf(ret, 37, "%08x-%04x-4%03x-%04x-%012llx", (unsigned)(a >> 32),
                 (unsigned)(a >> 16 & 0xffff), (unsigned)(a & 0xfff),
                 (unsigned)(0x8000 | (b >> 48 & 0x3fff)),
                 (unsigned long long)(b & 0xffffffffffffu));
}

/* Unlike those of another instance, without asking for entropy each time. */
json_t *sim_new_uid(struct sim *s) {
        char text[37];

        uid_text(s->seed, ++s->next_uid, text);
        return json_string(text);
}

int sim_init(struct sim *s, struct err *err) {
        int r = kinds_init(&s->kinds, err);

        if (r < 0)
                return r;
        s->seed = mix((uint64_t)clock_wall() * 1000003u + (uint64_t)clock_mono_us());
        store_init(&s->store);
        faults_init(&s->faults);
        list_init(&s->watches);
        list_init(&s->work);
        list_init(&s->forwards);
        list_init(&s->execs);
        list_init(&s->streams);
        list_init(&s->clients);
        list_init(&s->delayed);
        list_init(&s->pollers);
        return 0;
}

void sim_lead(struct list *to, const char *namespace, const char *pattern, int port,
              const char *address) {
        struct forward *f = mem_new(struct forward);

        f->namespace = str_dup(namespace);
        f->pattern = str_dup(pattern);
        f->address = str_dup(address);
        f->port = port;
        list_prepend(to, &f->entry);
}

static void forget(struct list *leads) {
        list_each(e, leads) {
                struct forward *f = list_entry(e, struct forward, entry);

                list_unlink(&f->entry);
                free(f->namespace);
                free(f->pattern);
                free(f->address);
                free(f);
        }
}

void sim_deinit(struct sim *s) {
        work_clear(s);
        forget(&s->forwards);
        forget(&s->execs);
        faults_clear(&s->faults);
        store_deinit(&s->store);
        kinds_deinit(&s->kinds);
        map_free(&s->dependents);
        str_set(&s->address, NULL);
}

void sim_changed(struct sim *s, struct kind *kind, const struct store_event *event) {
        watch_changed(s, kind, event);
        controllers_changed(s, kind, event);
}
