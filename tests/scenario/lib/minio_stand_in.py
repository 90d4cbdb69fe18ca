#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Answers a MinIO's calls where no MinIO is: minio_stand_in.py ADDRESS:PORT STATE-FILE.

Buckets, objects, canned policies and users as names in a JSON file. It takes every signature of a user that it knows: it is enough
to see a provider at work, and shows nothing about S3. The real program: `tools/peers build`.
"""
import datetime
import http.server
import json
import os
import sys
from urllib.parse import parse_qs, urlsplit


class State:
    def __init__(self, path):
        self.path = path
        self.all = {"buckets": {}, "objects": [], "policies": {}, "users": {}}
        if os.path.exists(path):
            with open(path, encoding="utf-8") as f:
                self.all = json.load(f)

    def save(self):
        with open(self.path + ".part", "w", encoding="utf-8") as f:
            json.dump(self.all, f)
        os.rename(self.path + ".part", self.path)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, code, body="", kind="application/xml"):
        data = body.encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Content-Type", kind)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def refuse(self, code, name, text):
        if self.path.startswith("/minio/admin"):
            return self.answer(code, json.dumps({"Code": name, "Message": text}), "application/json")
        return self.answer(code, f"<Error><Code>{name}</Code><Message>{text}</Message></Error>")

    def handle_any(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        url = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(url.query, keep_blank_values=True).items()}
        state = self.server.state
        who = self.headers.get("Authorization", "").partition("Credential=")[2].partition("/")[0]
        if url.path.startswith("/minio/health/"):
            return self.answer(200)
        if who not in state.all["users"] and who != os.environ["MINIO_ROOT_USER"]:
            return self.refuse(403, "InvalidAccessKeyId", "no such access key")
        if url.path.startswith("/minio/admin/v3/"):
            self.admin(url.path.rsplit("/", 1)[1], query, body, state)
        elif url.path == "/":
            self.buckets(state)
        elif "/" in url.path.strip("/"):
            self.object(url.path.strip("/"), state)
        else:
            self.bucket(url.path.strip("/"), query, state)
        return state.save()

    do_GET = do_PUT = do_DELETE = do_HEAD = do_POST = handle_any

    # ---- S3

    def buckets(self, state):
        rows = "".join(f"<Bucket><Name>{name}</Name><CreationDate>{born}</CreationDate></Bucket>"
                       for name, born in state.all["buckets"].items())
        self.answer(200, f"<ListAllMyBucketsResult><Buckets>{rows}</Buckets></ListAllMyBucketsResult>")

    def bucket(self, name, query, state):
        found = state.all["buckets"]
        if self.command == "PUT" and name not in found:
            found[name] = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
            return self.answer(200)
        if name not in found:
            return self.refuse(404, "NoSuchBucket", "The specified bucket does not exist")
        if "policy" in query:
            return self.refuse(404, "NoSuchBucketPolicy", "The bucket policy does not exist")
        if self.command == "DELETE":
            del found[name]
            return self.answer(204)
        rows = "".join(f"<Contents><Key>{key}</Key></Contents>" for key in state.all["objects"] if key.startswith(name + "/"))
        return self.answer(200, f"<ListBucketResult><Name>{name}</Name>{rows}</ListBucketResult>")

    def object(self, key, state):
        objects = state.all["objects"]
        if self.command == "DELETE":
            objects[:] = [k for k in objects if k != key]
            return self.answer(204)
        objects.append(key)
        return self.answer(200)

    # ---- the admin API

    def admin(self, what, query, body, state):
        name = query.get("accessKey") or query.get("name") or query.get("userOrGroup")
        policies, users = state.all["policies"], state.all["users"]
        if what == "add-canned-policy":
            policies[name] = json.loads(body)
        elif what == "info-canned-policy" and name in policies:
            return self.answer(200, json.dumps(policies[name]), "application/json")
        elif what == "remove-canned-policy":
            policies.pop(name, None)
        elif what == "add-user":
            users.setdefault(name, {"status": "enabled"})
        elif what == "user-info" and name in users:
            return self.answer(200, json.dumps(users[name]), "application/json")
        elif what == "remove-user":
            users.pop(name, None)
        elif what == "set-user-or-group-policy" and query["policyName"] not in policies:
            return self.refuse(404, "XMinioAdminNoSuchPolicy", "no such policy")
        elif what == "set-user-or-group-policy" and name in users:
            users[name]["policyName"] = query["policyName"]
        else:
            return self.refuse(404, "XMinioAdminNoSuchPolicy" if "policy" in what else "XMinioAdminNoSuchUser", f"{what} {name}")
        return self.answer(200)


def main():
    address, _, port = sys.argv[1].rpartition(":")
    server = http.server.ThreadingHTTPServer((address, int(port)), Handler)
    server.state = State(sys.argv[2])
    server.serve_forever()


if __name__ == "__main__":
    main()
