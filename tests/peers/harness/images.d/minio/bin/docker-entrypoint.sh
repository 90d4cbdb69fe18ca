#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The minio image's entrypoint: arguments alone mean the server program.
if [ "$1" != minio ] && [ -n "$1" ]; then
        set -- minio "$@"
fi
exec "$@"
