"""Servers of latchkey for the clients under test."""

import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request

import pytest

ORGANIZATION = "acme"
TOKEN = "pul-foreign-0123456789"


class Server:
    """A running `latchkey esc serve`."""

    def __init__(self, url):
        self.url = url
        self.organization = ORGANIZATION
        self.token = TOKEN


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.fixture(scope="session")
def esc(tmp_path_factory):
    """The embedded store, ended when the tests are."""
    folder = tmp_path_factory.mktemp("esc")
    port = free_port()
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                os.environ["LATCHKEY"], "esc", "serve",
                "--organization", ORGANIZATION,
                "--addr", f"127.0.0.1:{port}",
                "--data-dir", str(folder / "data"),
            ],
            env={**os.environ, "LATCHKEY_ESC_TOKEN": TOKEN},
            stdout=output,
            stderr=output,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        wait_until_answering(process, url, log)
        yield Server(url)
    finally:
        process.terminate()
        process.wait(timeout=30)


def wait_until_answering(process, url, log):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            urllib.request.urlopen(f"{url}/healthz", timeout=5).close()
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    raise RuntimeError(f"the store did not answer; it said:\n{log.read_text()}")


@pytest.fixture(scope="session")
def clouds(tmp_path_factory):
    """The doubles of Azure and Google, ended when the tests are: addresses, identities, and a CA."""
    process = subprocess.Popen(
        [os.environ["CLOUDS"]], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        said = json.loads(process.stdout.readline())
        ca = tmp_path_factory.mktemp("clouds") / "ca.pem"
        ca.write_text(said["ca"])
        said["ca"] = str(ca)
        yield said
    finally:
        process.stdin.close()
        process.wait(timeout=30)


@pytest.fixture(scope="session")
def specified(tmp_path_factory):
    """Puts a vendor's published specification before a double: what either side says beyond it is an error."""
    tools = os.environ.get("PRISM")
    if not tools:
        yield lambda vendor, url: pytest.skip("Prism is not installed")
        return
    folder = tmp_path_factory.mktemp("prism")
    running = {}

    def proxy(vendor, url):
        if vendor in running:
            return running[vendor][0]
        port = free_port()
        log = folder / f"{vendor}.log"
        command = [
            f"{tools}/node_modules/.bin/prism", "proxy", "--errors", "-h", "127.0.0.1", "-p", str(port),
            f"{tools}/{vendor}.json", url,
        ]
        with log.open("wb") as output:
            process = subprocess.Popen(command, stdout=output, stderr=output)
        running[vendor] = (f"http://127.0.0.1:{port}", process)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return running[vendor][0]
            time.sleep(0.05)
        raise RuntimeError(f"Prism did not answer; it said:\n{log.read_text()}")

    yield proxy
    for _, process in running.values():
        process.terminate()
        process.wait(timeout=30)
