# SPDX-License-Identifier: Apache-2.0
"""One call to an object store, signed: what a person does with a client of S3."""
import base64
import datetime
import hashlib
import hmac
import http.client
import urllib.parse

REGION = "us-east-1"


def sign(key, *words):
    for word in words:
        key = hmac.new(key, word.encode(), hashlib.sha256).digest()
    return key


def call(address, access, secret, method, path, body=b"", query=""):
    """(code, text). ADDRESS is HOST:PORT, PATH needs no escaping, QUERY is as S3 signs it: "versioning="."""
    code, answer = fetch(address, access, secret, path, method, body, query)
    return code, answer.decode(errors="replace")


def fetch(address, access, secret, path, method="GET", body=b"", query="", more=None):
    """(code, bytes). MORE: headers that are not signed."""
    path = urllib.parse.quote(path)
    now = datetime.datetime.now(datetime.timezone.utc)
    day, stamp, digest = now.strftime("%Y%m%d"), now.strftime("%Y%m%dT%H%M%SZ"), hashlib.sha256(body).hexdigest()
    request = "\n".join((method, path, query, f"host:{address}", f"x-amz-content-sha256:{digest}", f"x-amz-date:{stamp}", "",
                         "host;x-amz-content-sha256;x-amz-date", digest))
    scope = f"{day}/{REGION}/s3/aws4_request"
    text = "\n".join(("AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(request.encode()).hexdigest()))
    key = sign(("AWS4" + secret).encode(), day, REGION, "s3", "aws4_request")
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    headers = {"x-amz-date": stamp, "x-amz-content-sha256": digest,
               "Content-MD5": base64.b64encode(hashlib.md5(body).digest()).decode(),
               "Authorization": f"AWS4-HMAC-SHA256 Credential={access}/{scope}, "
                                f"SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature={signature}"} | (more or {})
    connection = http.client.HTTPConnection(address, timeout=30)
    try:
        connection.request(method, f"{path}?{query}" if query else path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()
