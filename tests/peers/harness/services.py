"""MariaDB, PostgreSQL, MinIO and, if wanted, MySQL outside any cluster, for tests of what speaks to them directly.

Each has an address and a name of its own in the peers' network, and a certificate of a CA made for the occasion (of the two
MinIOs only one speaks TLS), so that verify-full can be tested as well as its refusals: alias.NAME is a name that is in no
certificate, and for expired.NAME there is one that has expired (MinIO shows it to whoever asks for that name; the others when a test
has put NAME-expired.crt and .key in place of their own).
"""
import os
import pwd
import secrets
import shutil
import socket
import subprocess
import time

from . import certs, netns, paths, supervisor

READY_SECONDS = 30
PORTS = {"mariadb": 3306, "postgres": 5432, "minio": 9000, "minio-tls": 9000, "mysql": 3306}
OPTIONAL = ("mysql",)
MINIO_USER = "peersadmin"


class Services:
    """Those of one DIR.  Made at once, started later: meanwhile the cluster may come up."""

    def __init__(self, folder, more=()):
        self.ports = {name: port for name, port in PORTS.items() if name not in OPTIONAL or name in more}
        self.folder = folder / "services"
        self.holder = folder
        self.folder.mkdir(parents=True, exist_ok=True)
        os.chmod(self.folder, 0o711)
        self.authority = certs.Authority(self.folder / "pki", "ca")
        os.chmod(self.folder / "pki", 0o711)
        self.passwords = {name: secrets.token_urlsafe(18) for name in self.ports}
        self.postgres_uid = pwd.getpwnam("postgres").pw_uid
        self.installs = [self.install_mariadb(), self.install_postgres()]
        if "mysql" in more:
            self.installs.append(self.install_mysql())

    def pair(self, name):
        """A certificate for the service's name and address; beside it one that has expired."""
        full = f"{name}.{netns.DATA_DOMAIN}"
        hosts = (full, netns.DATA_ADDRESSES[name], "localhost")
        self.authority.sign(f"{name}-expired", name, hosts=(f"expired.{full}",), expired=True)
        return self.authority.sign(name, name, hosts=hosts)

    def background(self, name, argv, uid=None):
        log = open(self.holder / "log" / f"{name}-install.log", "ab")
        with log:
            return name, subprocess.Popen([str(a) for a in argv], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                          preexec_fn=lambda: supervisor.become(uid), cwd="/")

    # ---- MariaDB ----

    def install_mariadb(self):
        self.pair("mariadb")
        return self.background("mariadb", [
            "mariadb-install-db", "--no-defaults", f"--datadir={self.folder}/mariadb", "--skip-test-db",
            f"--tmpdir={self.scratch('mariadb')}",
            "--auth-root-authentication-method=normal", "--skip-name-resolve", *self.mariadb_user()])

    def scratch(self, name):
        """Several peers have the same process numbers, by which a server names its temporary tables."""
        folder = self.folder / f"{name}-tmp"
        folder.mkdir(exist_ok=True)
        return folder

    def mariadb_user(self):
        return ["--user=root"]          # of the machine, or of the user's own namespace

    def start_mariadb(self):
        """Users by an init file: it runs once, before the first connection."""
        word = self.passwords["mariadb"]
        first = self.folder / "mariadb.sql"
        first.touch(mode=0o600)
        first.write_text("DELETE FROM mysql.global_priv WHERE User = '' OR User = 'root' AND Host <> 'localhost';\n"
                         "FLUSH PRIVILEGES;\n"
                         f"ALTER USER root@localhost IDENTIFIED BY '{word}';\n"
                         f"CREATE USER IF NOT EXISTS root@'%' IDENTIFIED BY '{word}';\n"
                         "GRANT ALL ON *.* TO root@'%' WITH GRANT OPTION;\n")
        crt, key = self.pair("mariadb")
        self.add("mariadb", [
            paths.program("mariadbd"), "--no-defaults", *self.mariadb_user(), f"--datadir={self.folder}/mariadb",
            f"--bind-address={netns.DATA_ADDRESSES['mariadb']}", f"--port={PORTS['mariadb']}",
            "--socket=@peers-mariadb", f"--pid-file={self.folder}/mariadb.pid", f"--init-file={first}",
            f"--tmpdir={self.scratch('mariadb')}",
            "--skip-name-resolve", "--innodb-flush-log-at-trx-commit=0", "--performance-schema=OFF",
            f"--ssl-ca={self.authority.crt}", f"--ssl-cert={crt}", f"--ssl-key={key}"])

    # ---- MySQL ----

    def install_mysql(self):
        self.pair("mysql")
        return self.background("mysql", [
            paths.program("mysqld"), *self.mariadb_user(), "--initialize-insecure", f"--datadir={self.folder}/mysql",
            f"--tmpdir={self.scratch('mysql')}"])

    def start_mysql(self):
        word = self.passwords["mysql"]
        first = self.folder / "mysql.sql"
        first.touch(mode=0o600)
        first.write_text(f"CREATE USER IF NOT EXISTS root@'%' IDENTIFIED BY '{word}';\n"
                         "GRANT ALL ON *.* TO root@'%' WITH GRANT OPTION;\n"
                         f"ALTER USER root@localhost IDENTIFIED BY '{word}';\n")
        crt, key = self.pair("mysql")
        scratch = self.scratch("mysql")
        self.add("mysql", [
            paths.program("mysqld"), *self.mariadb_user(), f"--datadir={self.folder}/mysql",
            f"--bind-address={netns.DATA_ADDRESSES['mysql']}", f"--port={PORTS['mysql']}", f"--socket={scratch}/socket",
            f"--pid-file={self.folder}/mysql.pid", f"--init-file={first}", f"--tmpdir={scratch}", "--mysqlx=OFF",
            "--skip-name-resolve", "--skip-log-bin", "--secure-file-priv=NULL", "--innodb-flush-log-at-trx-commit=0", "--innodb-redo-log-capacity=32M",
            "--innodb-buffer-pool-size=32M", "--performance-schema=OFF",
            f"--ssl-ca={self.authority.crt}", f"--ssl-cert={crt}", f"--ssl-key={key}"])

    # ---- PostgreSQL ----

    def install_postgres(self):
        data = self.folder / "postgres"
        data.mkdir(mode=0o700)
        word = self.folder / "postgres.password"
        word.touch(mode=0o600)
        word.write_text(self.passwords["postgres"] + "\n")
        crt, key = self.pair("postgres")
        for path in (data, word, crt, key):
            self.give_postgres(path)
        return self.background("postgres", [
            paths.postgres("initdb"), "-D", data, "-U", "postgres", f"--pwfile={word}", "--auth-host=scram-sha-256",
            "--auth-local=reject", "--no-sync", "-E", "UTF8", "--locale=C.UTF-8"], self.postgres_uid)

    def give_postgres(self, path):
        if netns.is_root():
            os.chown(path, self.postgres_uid, -1)

    def start_postgres(self):
        crt, key = self.pair("postgres")
        with open(self.folder / "postgres" / "pg_hba.conf", "a", encoding="ascii") as hba:
            hba.write("host all all all scram-sha-256\n")
        settings = {"listen_addresses": netns.DATA_ADDRESSES["postgres"], "port": PORTS["postgres"],
                    "unix_socket_directories": "", "fsync": "off", "ssl": "on", "ssl_cert_file": crt,
                    "ssl_key_file": key, "ssl_ca_file": self.authority.crt}
        argv = [paths.postgres("postgres"), "-D", str(self.folder / "postgres")]
        for name, value in settings.items():
            argv += ["-c", f"{name}={value}"]
        self.add("postgres", argv, uid=self.postgres_uid)

    # ---- MinIO ----

    def start_minio(self, name="minio", *words):
        address = netns.DATA_ADDRESSES[name]
        self.add(name, [paths.program("minio"), "server", "--quiet", "--address", f"{address}:{PORTS[name]}", "--console-address",
                        f"{address}:9001", *words, f"{self.folder}/{name}"],
                 env={"MINIO_ROOT_USER": MINIO_USER, "MINIO_ROOT_PASSWORD": self.passwords[name], "HOME": str(self.folder)})

    def start_minio_tls(self):
        """It chooses its certificate by the name that it is asked for; without one, or with another, the first."""
        crt, _ = self.pair("minio-tls")
        certificates = self.folder / "minio-certs"
        for place, stem in ((certificates, crt.stem), (certificates / f"expired.minio-tls.{netns.DATA_DOMAIN}", f"{crt.stem}-expired")):
            place.mkdir()
            shutil.copy(crt.with_name(f"{stem}.crt"), place / "public.crt")
            shutil.copy(crt.with_name(f"{stem}.key"), place / "private.key")
        self.start_minio("minio-tls", "--certs-dir", str(certificates))

    # ---- all ----

    def add(self, name, argv, **more):
        supervisor.ask(self.holder, do="add", name=name, argv=argv, **more)

    def start(self):
        """Start them, wait until they listen; what DIR/env says of them."""
        for name, process in self.installs:
            if process.wait() != 0:
                log = self.holder / "log" / f"{name}-install.log"
                raise RuntimeError(f"{name} could not be installed; {log} ends with:\n"
                                   + "\n".join(log.read_text(errors="replace").splitlines()[-20:]))
        self.start_mariadb()
        self.start_postgres()
        self.start_minio()
        self.start_minio_tls()
        if "mysql" in self.ports:
            self.start_mysql()
        for name, port in self.ports.items():
            wait_until_open(name, netns.DATA_ADDRESSES[name], port)
        return self.values()

    def values(self):
        found = {"PEERS_DATA_CA": self.authority.crt}
        users = {"postgres": "postgres", "minio": MINIO_USER, "minio-tls": MINIO_USER}
        for name, port in self.ports.items():
            word = name.upper().replace("-", "_")
            found |= {f"PEERS_{word}_ADDRESS": netns.DATA_ADDRESSES[name], f"PEERS_{word}_PORT": port,
                      f"PEERS_{word}_NAME": f"{name}.{netns.DATA_DOMAIN}", f"PEERS_{word}_USER": users.get(name, "root"),
                      f"PEERS_{word}_PASSWORD": self.passwords[name]}
        found["PEERS_MINIO_URL"] = f"http://{netns.DATA_ADDRESSES['minio']}:{PORTS['minio']}"
        return found


def wait_until_open(name, address, port):
    deadline = time.monotonic() + READY_SECONDS
    while True:
        try:
            socket.create_connection((address, port), 1).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise RuntimeError(f"{name} does not listen: see log/{name}.log") from None
            time.sleep(0.05)
