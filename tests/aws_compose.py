"""docker-compose.yml and deploy/compose as far as no container engine is needed: who waits for whom and is asked how,
that the programs take their settings, that what they name is what init.py makes in an emulator with the settings of
the one in there, and that the realm's tokens are those the API is told to expect."""

import json
import os
import pathlib
import re
import subprocess
import sys
import urllib.parse

import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent
COMPOSE = ROOT / "deploy" / "compose"
CALL = 90  # seconds
UNITS = {"s": 1, "m": 60, "h": 3600}
PROGRAMS = ("muniment-api", "muniment-worker")


def seconds(text):
    return int(text[:-1]) * UNITS[text[-1]]


def mib(text):
    """Of clamd's `2047M` and of our `2047MiB`."""
    number, unit = re.fullmatch(r"(\d+)(K|M|G)(?:iB)?", text).groups()
    return int(number) * {"K": 1 / 1024, "M": 1, "G": 1024}[unit]


def program(service):
    return (service.get("command") or [""])[0]


def probes(checks, services, settings):
    """A service is asked whether it is well, or ends and is waited for."""
    waited = {}
    for service in services.values():
        for name, wait in service.get("depends_on", {}).items():
            waited.setdefault(name, set()).add(wait["condition"])
    for name, service in services.items():
        if service["restart"] == "no":
            checks.equal(f"{name} ends, and is waited for", (waited.get(name), "healthcheck" in service),
                         ({"service_completed_successfully"}, False))
        else:
            checks.check(f"{name} goes on, is asked whether it is well, and waited for so", "healthcheck" in service
                         and waited.get(name, {"service_healthy"}) == {"service_healthy"}, waited.get(name))
    for name, service in services.items():
        listen = [value for key, value in service.get("environment", {}).items() if key.endswith("_LISTEN")]
        if listen:
            asked = re.findall(r"/dev/tcp/127\.0\.0\.1/(\d+)", service["healthcheck"]["test"][-1])
            checks.equal(f"{name} is asked at the port that it listens at", asked, [listen[0].rpartition(":")[2]])
        if program(service) in PROGRAMS and "stop_grace_period" in service:
            grace = "MUNIMENT_GRACE" if program(service) == "muniment-api" else "MUNIMENT_WORKER_GRACE"
            default = re.search(rf"^\| `{grace}` \| `(\w+)`", settings[program(service)], re.M)[1]
            checks.check(f"{name} is given longer to end than {grace} takes",
                         seconds(service["stop_grace_period"]) > seconds(service["environment"].get(grace, default)))


def accepted(checks, services, folder):
    """Each program takes the environment that it gets."""
    for name, service in services.items():
        if program(service) not in PROGRAMS:
            continue
        done = subprocess.run(
            [f"{folder}/{service['command'][0]}", "--check-config", *service["command"][1:]], capture_output=True,
            text=True, timeout=CALL, check=False, env={"PATH": os.environ.get("PATH", ""), **service["environment"]})
        checks.check(f"{name} takes its settings", done.returncode == 0, done.stderr.strip())


def scanner(checks, services, template):
    """A file that clamd would not look into whole must not be sent to it."""
    def compare(where, worker, clamd):
        limits = [mib(clamd[f"CLAMD_CONF_{name}"]) for name in ("StreamMaxLength", "MaxScanSize", "MaxFileSize")]
        checks.check(f"{where}: the worker believes no more of clamd than it does",
                     mib(worker["MUNIMENT_CLAMD_LIMIT"]) <= min(limits), (worker["MUNIMENT_CLAMD_LIMIT"], limits))
        alerts = {name: clamd.get(f"CLAMD_CONF_{name}") for name in ("AlertExceedsMax", "AlertEncrypted")}
        checks.equal(f"{where}: clamd says what it did not look into", set(alerts.values()), {"yes"})

    compare("docker-compose.yml", services["worker"]["environment"], services["clamd"]["environment"])
    containers = template["Resources"]["WorkerTask"]["Properties"]["ContainerDefinitions"]
    of = {one["Name"]: {pair["Name"]: pair["Value"] for pair in one["Environment"] if "Name" in pair} for one in containers}
    compare("service.yaml", of["worker"], of["clamd"])


def realm(checks, services):
    """Keycloak's realm gives tokens as the API is told to expect them, and the worker its role."""
    made = json.loads((COMPOSE / "realm.json").read_text())
    api, worker, keycloak = (services[name]["environment"] for name in ("api-1", "worker", "keycloak"))
    checks.equal("issuer, as Keycloak names itself, the API expects and the worker asks",
                 {f"{keycloak['KC_HOSTNAME']}/realms/{made['realm']}"}, {api["MUNIMENT_OIDC_ISSUER"], worker["MUNIMENT_OIDC_ISSUER"]})
    checks.check("tokens live no longer than the API takes them",
                 made["accessTokenLifespan"] <= seconds(api["MUNIMENT_OIDC_MAX_AGE"]), made["accessTokenLifespan"])
    clients = {client["clientId"]: client for client in made["clients"]}
    for name, client in clients.items():
        mappers = {mapper["protocolMapper"]: mapper["config"] for mapper in client["protocolMappers"]}
        audience = mappers["oidc-audience-mapper"]
        checks.equal(f"tokens of {name} are meant for the API", (audience["included.custom.audience"], audience["access.token.claim"]),
                     (api["MUNIMENT_OIDC_AUDIENCE"], "true"))
        if client["publicClient"]:  # People; their groups are the bodies, by bare names.
            groups = mappers["oidc-group-membership-mapper"]
            checks.equal(f"tokens of {name} name bodies where the API looks for them",
                         (groups["claim.name"], groups["full.path"], groups["access.token.claim"]),
                         (api["MUNIMENT_OIDC_BODY_CLAIM"], "false", "true"))
    service = clients[worker["MUNIMENT_OIDC_CLIENT_ID"]]
    checks.equal("the worker's client has its secret, and a user of its own",
                 (service["secret"], service["serviceAccountsEnabled"]), (worker["MUNIMENT_OIDC_CLIENT_SECRET"], True))
    roles = {role["name"] for role in made["roles"]["realm"]}
    users = {one["username"]: set(one["realmRoles"]) & roles for one in made["users"]}
    account = [one["username"] for one in made["users"] if one.get("serviceAccountClientId") == service["clientId"]]
    checks.equal("that user is a worker, and no other is",
                 [name for name, held in users.items() if "WORKER" in held], account)
    schema = (ROOT / "schema.graphql").read_text()
    known = set(re.findall(r"^\s*([A-Z]+)$", re.search(r"^enum Role \{(.*?)^\}", schema, re.M | re.S)[1], re.M))
    checks.equal("the realm has the API's roles", roles, known)
    groups = {f"/{group['name']}" for group in made["groups"]}
    named = {group for one in made["users"] for group in one.get("groups", [])}
    checks.equal("groups that users are in are those of the realm", named - groups, set())
    header = (ROOT / "docker-compose.yml").read_text().split("\nname:")[0]
    told = dict(re.findall(r"(\w+)\s(?:#\s+)?\(([A-Z]+)\)", header))
    checks.equal("docker-compose.yml tells who may what", {name: {role} for name, role in told.items()},
                 {name: held for name, held in users.items() if name not in account})


def storage(checks, services, emulator):
    """init.py makes what the programs are told to use; that outlives the emulator's end, and may be made again."""
    settings = {key: value for key, value in services["aws"]["environment"].items() if key not in ("BIND_HOST", "GATEWAY_PORT")}
    for name in ("STATE_DIR", "S3_DATA_DIR"):
        settings[name] = emulator.folder + settings[name]
        os.makedirs(settings[name])
    outputs = []
    for _ in range(2):
        emulator.start({**settings, "AUTH": ""})
        for _ in range(2):
            done = subprocess.run(
                [sys.executable, str(COMPOSE / "init.py"), str(ROOT / "deploy" / "aws" / "storage.yaml")],
                capture_output=True, text=True, timeout=CALL, check=False,
                env={**services["init"]["environment"], "PATH": os.environ.get("PATH", ""), "HOME": emulator.folder,
                     "AWS_ENDPOINT_URL": emulator.endpoint})
            checks.check("init.py makes buckets and queues" + (" again" if outputs else ""), done.returncode == 0, done.stderr.strip())
            outputs.append(set(done.stdout.split()))
        emulator.end()
    path = lambda url: urllib.parse.urlsplit(url).path.rpartition("/")[2] if "://" in url else url
    made = [{path(name) for name in output} for output in outputs]
    checks.check("and they are the same after the emulator was stopped and started", all(one == made[0] for one in made), made)
    told = {path(value) for service in services.values() if program(service) in PROGRAMS
            for key, value in service["environment"].items() if re.match(r"MUNIMENT_(BUCKET|QUEUE)_", key)}
    dead = {f"{name}-dead" for name in told if any(name.endswith(end) for end in ("-jobs", "-uploads"))}
    checks.equal("they are those that the programs are told to use", made[0] - dead, told)


def compose(checks, template, folder, emulator):
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    scanner(checks, services, template)
    realm(checks, services)
    if folder:
        tables = {name: subprocess.run([f"{folder}/{name}", "--settings"], capture_output=True, text=True,
                                       timeout=CALL, check=True).stdout for name in PROGRAMS}
        probes(checks, services, tables)
        accepted(checks, services, folder)
    else:
        checks.skip("the programs take the settings of docker-compose.yml", "MUNIMENT_TEST_PROGRAMS names no folder with them")
    storage(checks, services, emulator)
