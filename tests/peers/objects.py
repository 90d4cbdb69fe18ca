"""The objects that test_harness.py creates: shaped like those of the charms, in a restricted namespace."""

NAMESPACE = "kubeflow"
CONTAINER_SECURITY = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]},
                      "readOnlyRootFilesystem": True}


def pod_security(uid):
    return {"runAsUser": uid, "runAsGroup": uid, "fsGroup": uid, "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"}}


def namespace():
    return {"metadata": {"name": NAMESPACE, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}}}


def secret(name, **values):
    return {"metadata": {"name": name}, "stringData": values}


def service(name, port):
    return {"metadata": {"name": name}, "spec": {"selector": {"app": name}, "ports": [{"name": "main", "port": port}]}}


def key(name, secret_name, secret_key):
    return {"name": name, "valueFrom": {"secretKeyRef": {"name": secret_name, "key": secret_key}}}


def claim_template(size):
    return {"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"],
                                                   "resources": {"requests": {"storage": size}}}}


def stateful(name, uid, container, volumes=(), claims=(), init=()):
    """A StatefulSet of one pod."""
    container = dict({"name": "main", "securityContext": CONTAINER_SECURITY}, **container)
    spec = {"securityContext": pod_security(uid), "containers": [container], "volumes": list(volumes),
            "initContainers": [dict({"securityContext": CONTAINER_SECURITY}, **one) for one in init],
            "terminationGracePeriodSeconds": 10}
    return {"metadata": {"name": name}, "spec": {
        "serviceName": name, "replicas": 1, "selector": {"matchLabels": {"app": name}},
        "template": {"metadata": {"labels": {"app": name}}, "spec": spec}, "volumeClaimTemplates": list(claims)}}


def mysql():
    return stateful("mlflow-mysql", 999, {
        "image": "docker.io/library/mysql:8.0", "ports": [{"name": "mysql", "containerPort": 3306}],
        "args": ["--max-connections=50", "--mysqlx=OFF"],
        "env": [key("MYSQL_ROOT_PASSWORD", "mysql-root", "password"), {"name": "MYSQL_DATABASE", "value": "mlflow"}],
        "readinessProbe": {"periodSeconds": 1, "exec": {"command": [
            "sh", "-c", "mysqladmin ping -uroot -p$MYSQL_ROOT_PASSWORD -h 127.0.0.1"]}},
        "volumeMounts": [{"name": "data", "mountPath": "/var/lib/mysql"}, {"name": "run", "mountPath": "/var/run/mysqld"},
                         {"name": "run", "mountPath": "/tmp", "subPath": "tmp"},
                         {"name": "root", "mountPath": "/etc/root-secret", "readOnly": True}]},
        [{"name": "run", "emptyDir": {}}, {"name": "root", "secret": {"secretName": "mysql-root", "defaultMode": 288}}],
        [claim_template("1Gi")])


def minio():
    return stateful("mlflow-minio", 1000, {
        "image": "quay.io/minio/minio:RELEASE.2025-01-20T14-49-07Z", "args": ["server", "/data"],
        "env": [key("MINIO_ROOT_USER", "minio-root", "user"), key("MINIO_ROOT_PASSWORD", "minio-root", "password")],
        "readinessProbe": {"periodSeconds": 1, "httpGet": {"path": "/minio/health/ready", "port": 9000}},
        "volumeMounts": [{"name": "data", "mountPath": "/data"}]}, [], [claim_template("1Gi")])


def mlflow():
    uri = "mysql+pymysql://root:$(DB_PASSWORD)@mlflow-mysql.kubeflow.svc.cluster.local:3306/mlflow"
    return stateful("mlflow-server", 584792, {
        "image": "docker.io/charmedkubeflow/mlflow:2.22.0-5be7a7a",
        "command": ["mlflow", "server", "--host", "0.0.0.0", "--port", "5000", "--workers", "1",
                    "--default-artifact-root", "s3://mlflow/"],
        "env": [key("DB_PASSWORD", "mysql-root", "password"), {"name": "MLFLOW_BACKEND_STORE_URI", "value": uri},
                {"name": "HOME", "value": "/tmp"}],
        "startupProbe": {"periodSeconds": 1, "failureThreshold": 60, "httpGet": {"path": "/health", "port": 5000}},
        "readinessProbe": {"periodSeconds": 1, "httpGet": {"path": "/health", "port": 5000}},
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}]}, [{"name": "tmp", "emptyDir": {}}],
        init=[{"name": "wait-database", "image": "docker.io/charmedkubeflow/mlflow:2.22.0-5be7a7a",
               "command": ["sh", "-c", "until mysqladmin ping -h mlflow-mysql --silent; do sleep 1; done"]}])


def crashing():
    """A process that says why and ends with 3."""
    return stateful("crashing", 1000, {
        "image": "mooring.test/process:1", "command": ["sh", "-c", "echo out of luck >/dev/termination-log; exit 3"]})


def unhealthy():
    """A process that runs, but fails its liveness probe."""
    return stateful("unhealthy", 1000, {
        "image": "mooring.test/process:1", "command": ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.2; done"],
        "livenessProbe": {"periodSeconds": 1, "failureThreshold": 1, "exec": {"command": ["false"]}}})


def plain():
    """An image that nobody here has: kwok's."""
    return stateful("plain", 1000, {"image": "registry.k8s.io/pause:3.10"})
