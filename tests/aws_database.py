"""The database users of deploy/aws/service.yaml, tried on a PostgreSQL of our own. Part of tests/aws."""

import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
START, CALL = 60, 30  # seconds
# Characters that break out of a text that was put together carelessly.
OWNER, FIRST, SECOND = "owner's", "first'; DROP TABLE event; --", 'second"\\$HOME'
SERVICE = "muniment_service"


def binaries():
    """PostgreSQL's folder, as crates/testdb/cluster.sh finds it, or None."""
    version = lambda path: [int(part) for part in re.findall(r"\d+", str(path))]
    found = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"), key=version)
    found = [*found, pathlib.Path("/usr/local/pgsql/bin")]
    found = [path for path in found if (path / "initdb").exists() and (path / "psql").exists()]
    return found[-1] if found else None


class Cluster:
    """A PostgreSQL that ends with us, and asks everybody but its superuser for a password."""

    def __init__(self, bin_folder):
        self.bin = bin_folder
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="muniment-pg-"))
        self.process = None

    def start(self):
        self.process = subprocess.Popen(
            ["sh", str(ROOT / "crates" / "testdb" / "cluster.sh"), str(self.folder)], stdin=subprocess.PIPE)
        until = time.monotonic() + START
        while not (self.folder / "ready").exists():
            if self.process.poll() is not None or time.monotonic() > until:
                log = self.folder / "log"
                raise RuntimeError("PostgreSQL did not start: " + (log.read_text() if log.exists() else ""))
            time.sleep(0.1)
        rules = "local all postgres trust\nlocal all all scram-sha-256\n"
        (self.folder / "data" / "pg_hba.conf").write_text(rules)
        self.must("postgres", "", "SELECT pg_reload_conf()", database="postgres")

    def environment(self, user, password, database="muniment"):
        return {"PATH": f"{self.bin}:{os.environ.get('PATH', '')}", "PGHOST": str(self.folder), "PGPORT": "5432",
                "PGUSER": user, "PGPASSWORD": password, "PGDATABASE": database, "PGCONNECT_TIMEOUT": "5"}

    def sql(self, user, password, text, database="muniment"):
        """What it answered, and what it complained of."""
        done = subprocess.run(
            ["psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-c", text], capture_output=True, text=True, timeout=CALL,
            env=self.environment(user, password, database), check=False)
        return done.stdout.strip(), done.stderr.strip()

    def must(self, user, password, text, database="muniment"):
        out, wrong = self.sql(user, password, text, database)
        if wrong:
            raise RuntimeError(f"{text}: {wrong}")
        return out

    def url(self, user):
        return f"postgres://{user}@localhost/muniment?host={self.folder}"

    def stop(self):
        if self.process is not None:
            self.process.stdin.close()
            try:
                self.process.wait(START)
            except subprocess.TimeoutExpired:
                self.process.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


def container(template, task, name):
    containers = template["Resources"][task]["Properties"]["ContainerDefinitions"]
    return next(one for one in containers if one["Name"] == name)


def wiring(checks, template):
    """service.yaml cannot be made on the emulator; who is given which password stands in its text."""
    holders = {name for name, resource in template["Resources"].items() if "MasterUserSecret" in json.dumps(resource)}
    checks.equal("only MigrateTask and its agent are given the owner's password", holders,
                 {"MigrateTask", "MigrateExecutionRole"})
    holders = {name for name, resource in template["Resources"].items()
               if "ServiceUser" in json.dumps(resource) and name != "ServiceUser"}
    checks.equal("the API's is given to the API and MigrateTask", holders,
                 {"ApiTask", "ExecutionRole", "MigrateTask", "MigrateExecutionRole"})
    user = lambda one: re.findall(r"postgres://(\w+)@", json.dumps(one["Environment"]))
    checks.equal("the API connects as a user of its own, MigrateTask as the owner",
                 (user(container(template, "ApiTask", "api")), user(container(template, "MigrateTask", "migrate"))),
                 ([SERVICE], ["muniment"]))
    migrate, grants = container(template, "MigrateTask", "migrate"), container(template, "MigrateTask", "user")
    # ECS waits for the success of containers only that are not essential.
    checks.equal("the user is made after the tables, and not where that failed",
                 (migrate["Essential"], grants["Essential"], grants["DependsOn"]),
                 (False, True, [{"ContainerName": "migrate", "Condition": "SUCCESS"}]))
    image = (ROOT / "Dockerfile").read_text().split("AS aws")[1].split("\nFROM")[0]
    checks.check("the image for AWS has psql", "postgresql-client" in image)
    checks.check("and runs as nobody special", image.rstrip().splitlines().index("USER 10001:10001") > 0
                 and "USER" not in image.split("USER 10001:10001")[1], image)


def make_user(cluster, command, password):
    """The container `user` of MigrateTask, with the environment that the template gives it but TLS."""
    environment = {**cluster.environment("muniment", OWNER), "SERVICE_PASSWORD": password}
    done = subprocess.run(command, capture_output=True, text=True, timeout=CALL, env=environment, check=False)
    return done.returncode, done.stderr.strip()


def rights(checks, cluster):
    tables = cluster.must("postgres", "", "SELECT string_agg(tablename, ' ') FROM pg_tables WHERE schemaname = 'public'")
    wrong = []
    kept = "SELECT INSERT"
    narrow = {"event": "SELECT INSERT UPDATE", "event_leaf": kept, "event_node": kept, "checkpoint": kept, "seaql_migrations": "SELECT"}
    for table in tables.split():
        # TRUNCATE and TRIGGER would get round the rest.
        wanted = narrow.get(table, "SELECT INSERT UPDATE DELETE")
        asked = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")
        found = cluster.must("postgres", "", "SELECT " + ", ".join(
            f"has_table_privilege('{SERVICE}', '{table}', '{right}')" for right in asked))
        found = [right for right, has in zip(asked, found.split("|"), strict=True) if has == "t"]
        if " ".join(found) != wanted:
            wrong.append((table, found))
    checks.check(f"the API's user reads and writes rows of the {len(tables.split())} tables, and has no other right to them",
                 len(tables.split()) > 14 and not wrong, wrong)
    flags = cluster.must("postgres", "", "SELECT rolsuper OR rolcreatedb OR rolcreaterole OR rolreplication OR rolbypassrls"
                         f" FROM pg_roles WHERE rolname = '{SERVICE}'")
    checks.equal("and none to the cluster", flags, "f")

    for what, text in (
        ("delete an event", "DELETE FROM event"),
        ("change a leaf of the tree", "UPDATE event_leaf SET hash = ''"),
        ("delete a checkpoint", "DELETE FROM checkpoint"),
        ("empty a table", "TRUNCATE event"),
        ("make a table", "CREATE TABLE own (id int)"),
        ("make a temporary table", "CREATE TEMP TABLE own (id int)"),
        ("change a table", "ALTER TABLE collection ADD COLUMN own int"),
        ("remove a table", "DROP TABLE mutation_key"),
        ("say that a migration was made", "INSERT INTO seaql_migrations VALUES ('own', 1)"),
        ("become the owner", "SET ROLE muniment"),
        ("make a user", "CREATE ROLE own"),
        ("read files of the server", "SELECT pg_read_file('PG_VERSION')"),
    ):
        _, said = cluster.sql(SERVICE, FIRST, text)
        checks.check(f"the API's user may not {what}", re.search("permission denied|must be owner", said), said or "it was done")
    _, said = cluster.sql(SERVICE, FIRST, "LISTEN changes; NOTIFY changes, 'x'; SELECT pg_advisory_lock(1)")
    checks.equal("it may listen, notify and lock", said, "")

    cluster.must("muniment", OWNER, "CREATE TABLE later (id bigserial PRIMARY KEY, word text)")
    _, said = cluster.sql(SERVICE, FIRST, "INSERT INTO later (word) VALUES ('a'); UPDATE later SET word = 'b'; "
                          "SELECT * FROM later; DELETE FROM later")
    checks.equal("what a later migration makes it may use at once", said, "")
    cluster.must("muniment", OWNER, "DROP TABLE later")
    cluster.must("postgres", "", "CREATE ROLE stranger LOGIN PASSWORD 'stranger'")
    _, said = cluster.sql("stranger", "stranger", "SELECT 1")
    checks.check("another user may not even connect", "permission denied for database" in said, said)


def served(checks, cluster, programs, settings):
    """The API itself, as that user: it begins, and a mutation with its event, totals and NOTIFY succeeds."""
    folder = cluster.folder / "identity"
    (folder / "files").mkdir(parents=True)
    (folder / "files" / "a.txt").write_text("a\n")
    muniment = [f"{programs}/muniment"]
    data = ["--data", str(folder / "data")]
    # The shortest way to a key that signs tokens.
    subprocess.run([*muniment, "transfer", str(folder / "files"), *data], capture_output=True, timeout=START, check=True)
    token = subprocess.run([*muniment, "token", *data, "--role", "admin"], capture_output=True, text=True,
                           timeout=CALL, check=True).stdout.strip()
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{listener.getsockname()[1]}"
    checkpoint_key = folder / "checkpoint-key.p8"
    subprocess.run([f"{programs}/muniment", "checkpoint-key", str(checkpoint_key)], check=True, capture_output=True)
    environment = {
        **settings, "PGPASSWORD": FIRST, "MUNIMENT_DATABASE_URL": cluster.url(SERVICE), "MUNIMENT_LISTEN": address,
        "MUNIMENT_TOKEN_KEY": str(folder / "data" / "identity" / "token-key.p8"),
        "MUNIMENT_CHECKPOINT_KEY": str(checkpoint_key),
    }
    checked = subprocess.run([f"{programs}/muniment-api", "--check-config"], capture_output=True, text=True,
                             timeout=CALL, env=environment, check=False)
    checks.equal("the API takes the output CheckQueue of two stacks, with a comma between, as its setting",
                 (checked.returncode, checked.stderr), (0, ""))
    with open(cluster.folder / "api.log", "wb") as log:
        api = subprocess.Popen([f"{programs}/muniment-api"], env=environment, stdout=log, stderr=log)
    try:
        begun, until = False, time.monotonic() + START
        while not begun and api.poll() is None and time.monotonic() < until:
            try:
                urllib.request.urlopen(f"http://{address}/healthz", timeout=2).close()
                begun = True
            except OSError:
                time.sleep(0.1)
        said = lambda: (cluster.folder / "api.log").read_text(errors="replace")[-400:]
        checks.check("the API begins as that user", begun, said())
        if not begun:
            return
        mutation = ('mutation { createCollection(input: {code: "C1", title: "C", body: "B", '
                    'policy: {requiredChecks: ["CHECKSUM", "ANTIVIRUS", "FORMAT", %s]}}) { collection { code } } }')
        for kinds, good in (('"OCR", "LAYOUT_2"', True), ('"SPEECH"', False)):
            request = urllib.request.Request(
                f"http://{address}/graphql", data=json.dumps({"query": mutation % kinds}).encode(),
                headers={"Content-Type": "application/json", "Authorization": f"Bearer {token}"})
            try:
                with urllib.request.urlopen(request, timeout=CALL) as reply:
                    answer = json.load(reply)
            except urllib.error.HTTPError as error:
                answer = {"errors": error.read().decode(errors="replace")}
            if good:
                checks.check("and makes a collection that requires the checks of these queues", not answer.get("errors"),
                             (answer, said()))
            else:
                checks.check("but none that requires a check without a queue", answer.get("errors"), answer)
        events = cluster.must("postgres", "", "SELECT count(*) > 0 FROM event")
        checks.equal("with its event", events, "t")
    finally:
        api.terminate()
        try:
            api.wait(START)
        except subprocess.TimeoutExpired:
            api.kill()


def database(checks, template, settings):
    """All of it. `settings` of the API: buckets and queues."""
    wiring(checks, template)
    folder, programs = binaries(), os.environ.get("MUNIMENT_TEST_PROGRAMS")
    if folder is None or not programs:
        checks.skip("the database user that MigrateTask makes, on a real PostgreSQL",
                    "PostgreSQL is not installed, or MUNIMENT_TEST_PROGRAMS names no folder; tests/run has both")
        return
    programs = str(pathlib.Path(programs).resolve())
    cluster = Cluster(folder)
    try:
        cluster.start()
        # As RDS makes the first user: no superuser, but may make users and databases.
        quoted = OWNER.replace("'", "''")
        cluster.must("postgres", "", f"CREATE ROLE muniment LOGIN CREATEDB CREATEROLE PASSWORD '{quoted}'", "postgres")
        cluster.must("postgres", "", "CREATE DATABASE muniment OWNER muniment", "postgres")
        command = container(template, "MigrateTask", "user")["Command"]
        code, _ = make_user(cluster, command, FIRST)
        made = cluster.must("postgres", "", f"SELECT count(*) FROM pg_roles WHERE rolname = '{SERVICE}'")
        checks.check("without the tables the container user fails and leaves nothing", code != 0 and made == "0", (code, made))
        done = subprocess.run([f"{programs}/muniment-api", "migrate"], capture_output=True, text=True, timeout=START,
                              check=False, env={"PGPASSWORD": OWNER, "MUNIMENT_DATABASE_URL": cluster.url("muniment")})
        checks.equal("the owner makes the tables, with PGPASSWORD", done.returncode, 0)
        checks.equal("the container user makes the API's user", make_user(cluster, command, FIRST), (0, ""))
        rights(checks, cluster)
        served(checks, cluster, programs, settings)
        checks.equal("run again with another password", make_user(cluster, command, SECOND), (0, ""))
        _, old = cluster.sql(SERVICE, FIRST, "SELECT 1")
        _, new = cluster.sql(SERVICE, SECOND, "SELECT 1")
        checks.check("the new one is good and the old one is not", new == "" and "authentication failed" in old, (new, old))
    finally:
        cluster.stop()
