"""docker-compose.yml, the Dockerfile and what they use, as far as they can be checked without Docker."""

import json
import os
import pathlib
import re
import subprocess

import check_jsonschema
import jsonschema
import pytest
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = ROOT / "build" / "bin"
# Programs that people run: they have images, but no service that keeps running.
TOOLS = {"mr", "mr-admin"}
# Servers with state of their own; everything else must be scalable.
ONE_OF_A_KIND = {"edge", "console", "redpanda", "postgres", "redis", "minio"}


def interpolate(text):
    """${NAME:-default} as docker compose does it with an empty environment, $$ for $."""
    text = re.sub(r"\$\{[A-Z_0-9]+:-([^}]*)\}", r"\1", text)
    assert not re.search(r"(?<!\$)\$\{", text), "a variable without a default"
    return text.replace("$$", "$")


@pytest.fixture(scope="module")
def compose():
    return yaml.safe_load(interpolate((ROOT / "docker-compose.yml").read_text()))


@pytest.fixture(scope="module")
def services(compose):
    return compose["services"]


@pytest.fixture(scope="module")
def one_shots(services):
    """Services others wait for to complete."""
    return {
        name
        for service in services.values()
        for name, wait in service.get("depends_on", {}).items()
        if wait["condition"] == "service_completed_successfully"
    }


def programs():
    assert (BIN / "mr-upload").exists(), "the programs are not built: ./dev build"
    return sorted(path.name for path in BIN.iterdir() if path.name.startswith("mr") and os.access(path, os.X_OK))


def test_the_file_follows_the_compose_specification(compose):
    vendored = pathlib.Path(check_jsonschema.__file__).parent / "builtin_schemas" / "vendor" / "compose-spec.json"
    jsonschema.validate(compose, json.loads(vendored.read_text()))


def test_every_program_has_a_service():
    services = yaml.safe_load(interpolate((ROOT / "docker-compose.yml").read_text()))["services"]
    built = [name for name in programs() if name not in TOOLS and not name.endswith(("-bench", "-test"))]
    assert set(built) <= set(services)


def test_every_service_has_a_health_check_or_ends(services, one_shots):
    for name, service in services.items():
        assert name in one_shots or "healthcheck" in service, name


def test_health_is_what_others_wait_for(services):
    for name, service in services.items():
        for other, wait in service.get("depends_on", {}).items():
            assert other in services, f"{name} waits for {other}"
            if wait["condition"] == "service_healthy":
                assert "healthcheck" in services[other], other


def test_what_runs_on_is_restarted_and_bounded(services, one_shots):
    for name, service in services.items():
        if name in one_shots:
            assert service["restart"].startswith("on-failure"), name
        else:
            assert service["restart"] == "unless-stopped", name
            assert "memory" in service["deploy"]["resources"]["limits"], name


def test_programs_have_the_time_to_drain_that_dev_gives_them(services):
    patience = re.search(r"^stack_patience=(\d+)$", (ROOT / "tools/dev/stack.sh").read_text(), re.M)[1]
    for name in ("mr-upload", "mr-api", "mr-metadata"):
        assert services[name]["stop_grace_period"] == f"{patience}s", name


def test_no_program_waits_for_the_cache(services):
    for name, service in services.items():
        assert "redis" not in service.get("depends_on", {}), name


def test_workers_can_be_scaled(services, one_shots):
    for name, service in services.items():
        assert "container_name" not in service, name
        if name not in ONE_OF_A_KIND | one_shots:
            assert "ports" not in service, name
            assert "hostname" not in service, name


def test_only_what_clients_need_is_published_and_only_here(services):
    published = {name for name, service in services.items() if "ports" in service}
    assert published == {"edge", "minio", "console"}
    for name in published:
        assert all(port.startswith("127.0.0.1:") for port in services[name]["ports"]), name


def test_state_is_in_volumes_and_secrets_are_files(compose, services):
    for name, service in services.items():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith("./"):
                assert (ROOT / source).exists(), f"{name}: {source}"
            else:
                assert source in compose["volumes"], f"{name}: {source}"
        for secret in service.get("secrets", []):
            assert secret in compose["secrets"], f"{name}: {secret}"
        for key, value in service.get("environment", {}).items():
            if re.search(r"PASSWORD|SECRET|TOKEN|DSN|_KEY(_|$)", key) and key != "MR_S3_ACCESS_KEY":
                assert key.endswith("_FILE"), f"{name}: {key} in the open"
                assert value.removeprefix("/run/secrets/") in service["secrets"], f"{name}: {key}"


def test_secrets_are_made_once(tmp_path, compose):
    script = tmp_path / "tools" / "compose" / "make-secrets"
    script.parent.mkdir(parents=True)
    script.write_text((ROOT / "tools" / "compose" / "make-secrets").read_text())
    made = []
    for _ in range(2):
        subprocess.run(["bash", script], check=True, capture_output=True)
        made.append({path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()})
    assert made[0] == made[1]
    assert {pathlib.Path(secret["file"]).name for secret in compose["secrets"].values()} == set(made[0])
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700


def test_registration_is_closed(services):
    assert services["mr-api"]["environment"]["MR_REGISTRATION"] == "closed"


def test_settings_are_known_to_the_programs(services):
    table = (ROOT / "lib" / "base" / "settings.def").read_text()
    known = {"MR_" + name.upper().replace(".", "_") for name in re.findall(r'^MR_SETTING\(\w+, \w+, "([^"]+)"', table, re.M)}
    assert known
    for name, service in services.items():
        for key in service.get("environment", {}):
            if key.startswith("MR_") and not key.startswith("MR_EDGE_"):
                assert key.removesuffix("_FILE") in known or key in known, f"{name}: {key}"


def test_the_broker_acknowledges_only_what_is_on_disk(services):
    command = " ".join(services["redpanda"]["command"])
    assert "dev-container" not in command and "unsafe-bypass-fsync" not in command
    config = yaml.safe_load((ROOT / "broker-config/redpanda/redpanda.yaml").read_text())
    assert config["redpanda"]["developer_mode"] is False
    bootstrap = yaml.safe_load((ROOT / "broker-config/redpanda/bootstrap.yaml").read_text())
    assert bootstrap["write_caching_default"] == "disabled"
    assert bootstrap["auto_create_topics_enabled"] is False
    topics = json.loads((ROOT / "broker-config/topics.json").read_text())
    assert bootstrap["default_topic_partitions"] == topics["partitions"]
    major, minor = re.search(r":v(\d+)\.(\d+)\.", services["redpanda"]["image"]).groups()
    assert (int(major), int(minor)) >= (25, 2)


def test_the_console_reads_the_registry():
    console = yaml.safe_load((ROOT / "broker-config/console.yaml").read_text())
    assert console["kafka"]["brokers"] == ["redpanda:9092"]
    assert console["schemaRegistry"] == {"enabled": True, "urls": ["http://redpanda:8081"]}


# --- images ---


@pytest.fixture(scope="module")
def dockerfile():
    return (ROOT / "Dockerfile").read_text().replace("\\\n", " ")


def stages(dockerfile):
    return re.findall(r"^FROM \S+ AS (\S+)$", dockerfile, re.M)


def test_every_image_that_is_built_has_its_stage(services, dockerfile):
    for name, service in services.items():
        if "build" in service:
            assert service["build"]["target"] in stages(dockerfile), name
        else:
            assert re.search(r":v?\d+(\.\d+)+|:\d+-", service["image"]), f"{name}: no version"


def test_every_program_has_an_image(dockerfile):
    for name in programs():
        if not name.endswith(("-bench", "-test")):
            assert name in stages(dockerfile), name


def test_what_is_copied_exists(dockerfile):
    for line in re.findall(r"^COPY (?!--from)(.+)$", dockerfile, re.M):
        for source in line.split()[:-1]:
            assert (ROOT / source).exists(), source


def test_programs_do_not_run_as_root(dockerfile):
    assert re.search(r"FROM debian:12-slim AS runtime\b.*?^USER 10001:10001$", dockerfile, re.M | re.S)
    assert "USER root" not in dockerfile and "USER 0" not in dockerfile


def needed_libraries(path):
    printed = subprocess.run(["ldd", path], check=True, capture_output=True, text=True).stdout
    direct = set(
        re.findall(
            r"\(NEEDED\).*\[(.+)\]", subprocess.run(["readelf", "-d", path], capture_output=True, text=True).stdout
        )
    )
    return [os.path.realpath(file) for name, file in re.findall(r"(\S+) => (/\S+)", printed) if name in direct]


def package_of(file):
    for candidate in (file, file.removeprefix("/usr")):
        found = subprocess.run(["dpkg-query", "-S", candidate], capture_output=True, text=True)
        if found.returncode == 0:
            return found.stdout.split(":")[0]
    return None


def test_the_runtime_image_has_every_library(dockerfile):
    runtime = dockerfile.split("AS runtime\n")[1].split("FROM ")[0]
    installed = set(re.findall(r"[a-z0-9.+-]+", runtime)) | {"libc6", "libgcc-s1"}
    for name in programs():
        packages = {package_of(file) for file in needed_libraries(BIN / name)} - {None}
        assert packages <= installed, f"{name} wants {packages - installed}"


# --- the edge ---


def render_edge(environment):
    """As the image of NGINX does it: envsubst for what is set and begins with MR_EDGE_."""
    variables = " ".join("${%s}" % name for name in environment)
    return subprocess.run(
        ["envsubst", variables],
        input=(ROOT / "tools/edge/nginx.conf.template").read_text(),
        env={**os.environ, **environment},
        check=True,
        capture_output=True,
        text=True,
    ).stdout


def nginx_test(tmp_path, environment):
    local = dict(environment)
    # This machine has other users and writable folders than the image, and nobody who resolves its names.
    local["MR_EDGE_MAIN"] = f"pid {tmp_path}/nginx.pid;"
    local["MR_EDGE_TEMP"] = str(tmp_path)
    for name in ("MR_EDGE_UPLOAD_SERVERS", "MR_EDGE_API_SERVERS"):
        # `resolve` needs NGINX 1.27.3, which the image has and Debian 12 has not.
        local[name] = re.sub(r"mr-(upload|api):", "127.0.0.1:", local[name]).replace(" resolve", "")
    config = tmp_path / "nginx.conf"
    config.write_text(render_edge(local))
    return subprocess.run(
        ["nginx", "-t", "-p", tmp_path, "-c", config, "-e", "stderr"], capture_output=True, text=True
    )


@pytest.fixture
def edge_environment(services):
    return {k: str(v) for k, v in services["edge"]["environment"].items() if k.startswith("MR_EDGE_")}


def test_nothing_of_the_edges_template_stays_open(edge_environment):
    assert not re.search(r"\$\{MR_EDGE_[A-Z]", render_edge(edge_environment))


def test_nginx_takes_the_edges_configuration(tmp_path, edge_environment):
    done = nginx_test(tmp_path, edge_environment)
    assert done.returncode == 0, done.stderr


def test_nginx_takes_it_with_https(tmp_path, edge_environment):
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=localhost"]
        + ["-keyout", tmp_path / "key.pem", "-out", tmp_path / "cert.pem", "-days", "1"],
        check=True,
        capture_output=True,
    )
    edge_environment["MR_EDGE_LISTEN"] = "8443 ssl"
    edge_environment["MR_EDGE_TLS"] = f"ssl_certificate {tmp_path}/cert.pem; ssl_certificate_key {tmp_path}/key.pem;"
    done = nginx_test(tmp_path, edge_environment)
    assert done.returncode == 0, done.stderr


def test_upstreams_follow_replicas(edge_environment):
    image = yaml.safe_load(interpolate((ROOT / "docker-compose.yml").read_text()))["services"]["edge"]["image"]
    assert tuple(map(int, re.search(r":(\d+)\.(\d+)", image).groups())) >= (1, 28)
    assert " resolve " in edge_environment["MR_EDGE_UPLOAD_SERVERS"]
    assert " resolve " in edge_environment["MR_EDGE_API_SERVERS"]
    assert "resolver 127.0.0.11" in edge_environment["MR_EDGE_RESOLVER"]
