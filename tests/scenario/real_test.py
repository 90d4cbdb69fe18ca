#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The scenarios of several topics on one set of real peers: real_test.py --build DIR --real --topics TOPIC,… [TEXT]...

Starting the peers and the first deployment take a minute, which each topic's own program would spend again.
"""
<<<<<<< HEAD
# What is imported registers its tests with the runner, in this order.
import test_deploy  # noqa: F401
import test_drift  # noqa: F401
import test_operate  # noqa: F401
import test_charm  # noqa: F401
import test_services  # noqa: F401
import test_data  # noqa: F401
import test_outage  # noqa: F401
import test_refusals  # noqa: F401
import test_loss  # noqa: F401
import test_doctor  # noqa: F401
import test_metrics  # noqa: F401
import test_kinds  # noqa: F401
import test_policy  # noqa: F401
=======
>>>>>>> main
from lib.runner import main

if __name__ == "__main__":
    main()
