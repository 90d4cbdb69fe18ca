#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The scenarios of several topics on one set of real peers: real_test.py --build DIR --real --topics TOPIC,… [TEXT]...

Starting the peers and the first deployment take a minute, which each topic's own program would spend again.
"""
from lib.runner import main

if __name__ == "__main__":
    main()
