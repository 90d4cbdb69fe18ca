/* SPDX-License-Identifier: Apache-2.0 */
/* test_log.c - lines on stderr, the sink, the lines kept, and the way to the journal
 *
 * Whether stderr is the journal is found once in a process, so each such case runs in a child of
 * its own whose stderr is a pipe. */
#include "buf.h"
#include "clock.h"
#include "log.h"

#include <setjmp.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* What WRITE leaves on stderr. */
static char *stderr_of(void (*write_lines)(int fd)) {
        struct buf out = BUF_INIT;
        int fds[2];
        int status;
        ssize_t n;
        pid_t pid;

        assert_int_equal(pipe(fds), 0);
        pid = fork();
        if (pid == 0) {
                dup2(fds[1], STDERR_FILENO);
                close(fds[0]);
                write_lines(fds[1]);
                _exit(0);
        }
        close(fds[1]);
        do {
                buf_reserve(&out, 4096);
                n = read(fds[0], out.data + out.len, 4096);
                out.len += n > 0 ? (size_t)n : 0;
        } while (n > 0);
        out.data[out.len] = '\0';
        close(fds[0]);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        return buf_take(&out);
}

static void write_some(int fd) {
        unsetenv("JOURNAL_STREAM");
        clock_fake(0, 1790172127000);
        log_event(LOG_NOTICE, "repaired",
                  (struct log_field[]){
                          { "APPLICATION", "mlflow" }, { "UNIT", NULL }, { "WHAT", "a b" }, {} },
                  "%s healed", "label");
        log_plain(LOG_DEBUG, "noise", "not seen");
        log_plain(LOG_ERR, "forged", "a\nb\x1b[31m");
}

static void a_line_has_time_level_event_text_and_fields(void **state) {
        cleanup_(freep) char *text = stderr_of(write_some);

        assert_string_equal(text, "2026-09-23T14:02:07Z notice repaired: label healed "
                                  "APPLICATION=mlflow WHAT=\"a b\"\n"
                                  "2026-09-23T14:02:07Z error forged: a\\nb\\x1b[31m\n");
}

static void write_to_journal(int fd) {
        char stream[64];
        struct stat st;

        fstat(fd, &st);
        snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)st.st_dev,
                 (unsigned long long)st.st_ino);
        setenv("JOURNAL_STREAM", stream, 1);
        log_plain(LOG_INFO, "x", "to the journal");
}

static void write_beside_the_journal(int fd) {
        setenv("JOURNAL_STREAM", "1:1", 1);
        clock_fake(0, 0);
        log_plain(LOG_INFO, "x", "redirected");
}

static void the_journal_is_used_only_when_stderr_is_it(void **state) {
        cleanup_(freep) char *to = stderr_of(write_to_journal);
        cleanup_(freep) char *beside = stderr_of(write_beside_the_journal);

        assert_string_equal(to, "");
        assert_string_equal(beside, "1970-01-01T00:00:00Z info x: redirected\n");
}

static void add_line(void *arg, const struct log_line *line) {
        buf_printf(arg, "%s %s %s", log_level_name(line->level), line->event, line->text);
        for (const struct log_field *f = line->fields; f && f->name; f++)
                buf_printf(arg, " %s=%s", f->name, f->value);
        buf_putc(arg, '\n');
}

static void quiet(void) {
        assert_non_null(freopen("/dev/null", "w", stderr));
}

static void sink_and_ring_see_what_passes_the_level(void **state) {
        cleanup_(buf_free) struct buf seen = BUF_INIT;
        cleanup_(buf_free) struct buf kept = BUF_INIT;

        log_reset();
        log_set_sink(add_line, &seen);
        log_plain(LOG_INFO, "a", "one");
        log_plain(LOG_DEBUG, "b", "two");
        log_set_level(LOG_DEBUG);
        log_event(LOG_DEBUG, "c", (struct log_field[]){ { "K", "v" }, {} }, "three");
        assert_string_equal(buf_str(&seen), "info a one\ndebug c three K=v\n");
        log_recent(add_line, &kept);
        assert_string_equal(buf_str(&kept), buf_str(&seen));
        log_reset();
        buf_clear(&kept);
        log_recent(add_line, &kept);
        assert_string_equal(buf_str(&kept), "");
}

static void the_ring_keeps_the_last_lines_in_order(void **state) {
        cleanup_(buf_free) struct buf kept = BUF_INIT;
        size_t lines = 0;

        for (int i = 0; i < 1234; i++)
                log_plain(LOG_INFO, "n", "%d", i);
        log_recent(add_line, &kept);
        for (const char *p = kept.data; *p; p++)
                lines += *p == '\n';
        assert_int_equal(lines, 500);
        assert_true(str_starts(kept.data, "info n 734\n"));
        assert_true(str_ends(kept.data, "info n 1233\n"));
        log_reset();
}

static void a_very_long_text_is_cut(void **state) {
        cleanup_(buf_free) struct buf kept = BUF_INIT;
        char *big = mem_alloc(100001);

        memset(big, 'x', 100000);
        log_plain(LOG_INFO, "big", "%s", big);
        log_recent(add_line, &kept);
        assert_in_range(kept.len, 16000, 17000);
        assert_true(str_ends(kept.data, "xxx...\n"));
        log_reset();
        free(big);
}

static void levels_have_names(void **state) {
        assert_int_equal(log_level_from_name("warning"), LOG_WARNING);
        assert_int_equal(log_level_from_name("debug"), LOG_DEBUG);
        assert_int_equal(log_level_from_name("loud"), -1);
        assert_string_equal(log_level_name(LOG_NOTICE), "notice");
        assert_string_equal(log_level_name(LOG_CRIT), "error");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_line_has_time_level_event_text_and_fields),
                cmocka_unit_test(the_journal_is_used_only_when_stderr_is_it),
                cmocka_unit_test(sink_and_ring_see_what_passes_the_level),
                cmocka_unit_test(the_ring_keeps_the_last_lines_in_order),
                cmocka_unit_test(a_very_long_text_is_cut),
                cmocka_unit_test(levels_have_names),
        };

        unsetenv("JOURNAL_STREAM");
        quiet();
        return cmocka_run_group_tests(tests, NULL, NULL);
}
