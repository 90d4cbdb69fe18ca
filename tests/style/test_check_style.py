#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""check-style itself: every rule finds what it is for, and leaves alone what looks like it."""
import importlib.machinery
import importlib.util
import os
import unittest

sys_path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools", "check-style")
loader = importlib.machinery.SourceFileLoader("check_style", os.path.normpath(sys_path))
style = importlib.util.module_from_spec(importlib.util.spec_from_loader("check_style", loader))
loader.exec_module(style)

HEAD = "/* SPDX-License-Identifier: Apache-2.0 */\n/* {0} - a file for a test */\n"


def found(path, body, beside=(), head=True):
    """The rules that a file breaks, with their lines counted from the body's first."""
    def source(name, text):
        begin = HEAD.format(os.path.basename(name)) if head and name.endswith((".c", ".h")) else ""
        return style.Source(name, begin + ("#pragma once\n" if head and name.endswith(".h") else "") + text)

    sources = [source(path, body)] + [source(name, text) for name, text in beside]
    skip = (3 if path.endswith(".h") else 2) if head and path.endswith((".c", ".h")) else 0
    return [(line - skip, rule) for where, line, rule, _ in style.check(sources) if where == path]


class Text(unittest.TestCase):
    def test_lines_are_100_columns_at_most_counted_in_letters(self):
        self.assertEqual(found("lib/x.c", "/*" + "é" * 96 + "*/\n"), [])
        self.assertEqual(found("lib/x.c", "int a;\n/*" + "é" * 97 + "*/\n"), [(2, "columns")])

    def test_tabs_blanks_at_the_end_and_unfinished_work_are_found(self):
        self.assertEqual(found("lib/x.c", "\tint a; \n"), [(1, "tab"), (1, "trailing-blank")])
        self.assertEqual(found("lib/x.c", "/* TO" + "DO */\n"), [(1, "unfinished")])
        self.assertEqual(found("lib/x.c", 'char t[] = "/tmp/x-XXXXXX";\n'), [])

    def test_a_mark_with_a_reason_excuses_one_place_and_without_does_not(self):
        self.assertEqual(found("lib/x.c", "/* check-style: banned: the kernel wants it */\nint a = atoi(b);\n"), [])
        self.assertEqual(found("lib/x.c", "/* check-style: banned: because */\nint a = atoi(b);\n"), [(2, "banned")])
        self.assertEqual(found("lib/x.c", "/* check-style: tab: the kernel wants it */\nint a = atoi(b);\n"),
                         [(2, "banned")])


class Head(unittest.TestCase):
    def test_licence_and_purpose_come_first(self):
        self.assertEqual(found("lib/x.c", "int a;\n", head=False), [(1, "head")])
        self.assertEqual(found("lib/x.c", style.SPDX + "\n/* y.c - other */\n", head=False), [(2, "head")])
        self.assertEqual(found("lib/x.h", HEAD.format("x.h"), head=False), [(1, "head")])
        self.assertEqual(found("lib/x.h", ""), [])

    def test_programs_have_a_licence_or_a_docstring(self):
        self.assertEqual(found("tools/x.py", "import os\n"), [(1, "head")])
        self.assertEqual(found("tools/x.py", '"""what it is for"""\n'), [])
        self.assertEqual(found("tools/x", "#!/bin/sh\n# SPDX-License-Identifier: Apache-2.0\n"), [])
        self.assertEqual(found("tools/x", "#!/bin/sh\necho\n"), [(1, "head")])
        self.assertEqual(found("tests/__init__.py", ""), [])


class Size(unittest.TestCase):
    def test_functions_have_80_lines_at_most(self):
        def function(lines):
            return "static int f(int a,\n             int b) {\n" + "        a++;\n" * (lines - 3) + "}\n"
        self.assertEqual(found("lib/x.c", function(80)), [])
        self.assertEqual(found("lib/x.c", "int x;\n\n" + function(81)), [(3, "function-length")])

    def test_tables_are_no_functions(self):
        self.assertEqual(found("lib/x.c", "static const int t[] = {\n" + "        1,\n" * 100 + "};\n"), [])

    def test_files_have_700_lines_at_most_unless_they_say_why(self):
        self.assertEqual(found("lib/x.c", "int a;\n" * 698), [])
        self.assertEqual(found("lib/x.c", "int a;\n" * 699), [(-1, "file-length")])
        self.assertEqual(found("lib/x.c", "int a;\n" * 699 + "/* check-style: file-length: one table of rows */\n"), [])

    def nested(self, body):
        return [rule for _, rule in found("lib/x.c", "static void f(void) {\n" + body + "}\n")]

    def test_four_levels_are_allowed_five_are_not(self):
        four = "if (a) { for (;;) { while (b) { switch (c) { case 1: d(); } } } }\n"
        five = "if (a) { for (;;) { while (b) { do { if (c) { d(); } } while (e); } } }\n"
        self.assertEqual(self.nested(four), [])
        self.assertEqual(self.nested(five), ["nesting"])

    def test_levels_without_braces_count(self):
        self.assertEqual(self.nested("for (;;)\nif (a)\nwhile (b)\nif (c)\nd();\n"), [])
        self.assertEqual(self.nested("for (;;)\nif (a)\nwhile (b)\nif (c)\nif (e)\nd();\n"), ["nesting"])
        self.assertEqual(self.nested("json_array_foreach(a, i, v)\nif (a)\nwhile (b)\nif (c)\nif (e)\nd();\n"),
                         ["nesting"])

    def test_else_if_chains_literals_and_statements_in_a_row_are_flat(self):
        self.assertEqual(self.nested("if (a)\nb();\n" + "else if (c)\nd();\n" * 9 + "else\ne();\n"), [])
        self.assertEqual(self.nested("if (a) {\nb();\n" + "} else if (c) {\nd();\n" * 9 + "}\n"), [])
        self.assertEqual(self.nested("x = (struct a){ { { { { { 1 } } } } } };\n"), [])
        self.assertEqual(self.nested("if (a) return;\n" * 9), [])
        self.assertEqual(self.nested("do\na();\nwhile (b);\n" * 9), [])


class Calls(unittest.TestCase):
    def test_banned_calls_are_found_but_not_in_comments_texts_or_longer_names(self):
        for call in ("strcpy(a, b)", "sprintf(a, b)", "atoi(a)", "strtok(a, b)", "goto fail", "json_unpack(a, b)",
                     "json_pack_ex(a, b)", "json_loads(a, b, c)", "curl_easy_init()", "uv_run(a)", "sqlite3_open(a)"):
            self.assertEqual(found("daemon/model/x.c", f"int a;\n{call};\n"), [(2, "banned")], call)
        for good in ("strtok_r(a, b, c)", "snprintf(a, b)", "goto out", "/* strcpy(a, b) */", 'puts("strcpy(a)")',
                     "my_atoi(a)", "json_pack(a)", "s->random(a)"):
            self.assertEqual(found("daemon/model/x.c", f"int a;\n{good};\n"), [], good)

    def test_libraries_belong_to_one_layer(self):
        self.assertEqual(found("daemon/store/x.c", "int a = sqlite3_open(b);\n"), [])
        self.assertEqual(found("daemon/http/x.c", "int a = curl_multi_init();\n"), [])
        self.assertEqual(found("daemon/loop/x.c", "int a = uv_run(b);\n"), [])

    def test_a_stolen_reference_is_not_dropped_again(self):
        bad = "if (json_object_set_new(o, \"k\", v) < 0) {\n        json_decref(v);\n}\n"
        self.assertEqual(found("lib/x.c", bad), [(1, "stolen-reference")])
        self.assertEqual(found("lib/x.c", bad.replace("decref(v)", "decref(o)")), [])

    def test_typedefs_are_for_functions(self):
        self.assertEqual(found("lib/x.c", "typedef struct a b;\n"), [(1, "banned")])
        self.assertEqual(found("lib/x.c", "typedef int number;\n"), [(1, "typedef")])
        self.assertEqual(found("lib/x.c", "typedef int call(void *arg,\n                 int n);\n"), [])


class Layers(unittest.TestCase):
    def test_includes_go_downward(self):
        above = [("daemon/store/store.h", "")]
        self.assertEqual(found("daemon/http/x.c", '#include "store.h"\n', above), [(1, "layer")])
        self.assertEqual(found("daemon/model/x.c", '#include "store.h"\n', above), [])
        self.assertEqual(found("lib/x.c", '#include "../daemon/store/store.h"\n', above), [(1, "layer")])

    def test_a_provider_does_not_see_another(self):
        beside = [("daemon/provider/kube/kube.h", "")]
        self.assertEqual(found("daemon/provider/sql/x.c", '#include "kube.h"\n', beside), [(1, "layer")])
        self.assertEqual(found("daemon/provider/kube/x.c", '#include "kube.h"\n', beside), [])

    def test_the_reconciler_names_no_provider(self):
        self.assertEqual(found("daemon/reconcile/x.c", 'static int a = is(p, "kubernetes");\n'), [(1, "provider-name")])
        self.assertEqual(found("daemon/reconcile/x.c", "static void f(void) {\nif (kube_is(a)) b();\n}\n"),
                         [(2, "provider-name")])
        self.assertEqual(found("daemon/model/x.c", 'static int a = is(p, "kubernetes");\n'), [])


class Names(unittest.TestCase):
    def test_exports_begin_with_their_file(self):
        self.assertEqual(found("lib/foo.c", "void bar_do(void) {\n}\n"), [(1, "name")])
        for good in ("void foo_do(void) {\n}\n", "static void bar_do(void) {\n}\n", "int main(void) {\n}\n"):
            self.assertEqual(found("lib/foo.c", good), [], good)
        self.assertEqual(found("lib/foo-more.c", "void foo_do(void) {\n}\n"), [])

    def test_a_header_declares_for_its_folder_and_for_its_structs(self):
        beside = [("lib/timer.c", "")]
        self.assertEqual(found("lib/loop.h", "void timer_set(int a);\nvoid other_set(int a);\n", beside), [(2, "name")])
        self.assertEqual(found("lib/loop.h", "struct other {\n        int a;\n};\nvoid other_set(int a);\n"), [])
        self.assertEqual(found("lib/loop.h", "typedef void other_call(int a);\n"), [])
        self.assertEqual(found("lib/x.c", "void other_set(int a) {\n}\n",
                               [("lib/loop.h", "struct other {\n        int a;\n};\nvoid other_set(int a);\n")]), [])


class Queries(unittest.TestCase):
    def test_a_query_that_no_c_file_calls_is_found_and_a_test_is_no_caller(self):
        query = "-- name: unit_list\nSELECT 1;\n\n-- name: unit_put\nSELECT 1;\n"
        path = "schema/queries/unit.sql"
        self.assertEqual(found(path, query), [(1, "query"), (4, "query")])
        self.assertEqual(found(path, query, [("tests/unit/x.c", "int a = q_unit_list(tx);\n"),
                                             ("daemon/x.c", "int a = w_unit_put(tx);\n")]), [(1, "query")])
        self.assertEqual(found(path, query, [("daemon/x.c", "/* q_unit_list(tx) */\nint a = q_unit_put_all(tx);\n")]),
                         [(1, "query"), (4, "query")])


class Wrapping(unittest.TestCase):
    def test_only_wide_paragraphs_are_filled(self):
        wide = "/* x.c - " + "word " * 30 + "\n *\n *     code  stays\n * short\n * lines */\n"
        done = style.wrap_comments(wide)
        self.assertTrue(all(len(line) <= 100 for line in done.split("\n")))
        self.assertIn("\n *\n *     code  stays\n * short\n * lines */", done)
        self.assertEqual(" ".join(done.replace(" *", " ").split()), " ".join(wide.replace(" *", " ").split()))
        self.assertEqual(style.wrap_comments(done), done)


if __name__ == "__main__":
    unittest.main()
