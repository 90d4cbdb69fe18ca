# SPDX-License-Identifier: Apache-2.0
"""embed.py FILE NAME OUT - a text as a C array with its length: NAME_text, NAME_len"""
import sys

path, name, out = sys.argv[1:]
data = open(path, "rb").read()
rows = [", ".join("0x%02x" % b for b in data[i:i + 20]) for i in range(0, len(data), 20)]
with open(out, "w", encoding="ascii") as f:
    f.write("static const char %s_text[] = {\n%s\n};\nenum { %s_len = %d };\n" % (name, ",\n".join(rows), name, len(data)))
