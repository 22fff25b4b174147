"""Pulumi's own Python client against the embedded store."""

import itertools

import pulumi_esc_sdk as sdk
import pytest
import yaml
from pulumi_esc_sdk.exceptions import ApiException

PROJECT = "sdk"
DEFINITION = """\
# Kept as it is written.
values:
  app:
    hello: world
    hello-secret:
      fn::secret: pa$$word
    port: 8080
    greeting: Hello, ${app.hello}!
    list: [1, two, {three: 3}]
  "dotted.key": {inner: found}
"""
numbers = itertools.count()


@pytest.fixture
def client(esc):
    return sdk.esc_client.default_client(host=esc.url, access_token=esc.token)


@pytest.fixture
def environment(esc, client):
    """A new environment with the definition above: organisation, project, name."""
    name = (esc.organization, PROJECT, f"dev{next(numbers)}")
    client.create_environment(*name)
    client.update_environment_yaml(*name, DEFINITION)
    return name


def test_an_environment_is_created_opened_and_read(client, environment):
    _, values, _ = client.open_and_read_environment(*environment)
    assert values["app"] == {
        "hello": "world",
        "hello-secret": "pa$$word",
        "port": 8080,
        "greeting": "Hello, world!",
        "list": [1, "two", {"three": 3}],
    }


def test_a_session_is_a_snapshot_and_is_read_by_property(client, environment):
    session = client.open_environment(*environment).id
    client.update_environment_yaml(*environment, DEFINITION.replace("world", "moon"))
    for path, expected in [
        ("app.hello", "world"),
        ('["dotted.key"].inner', "found"),
        ("app.list[1]", "two"),
    ]:
        value, read = client.read_open_environment_property(*environment, session, path)
        assert read == expected
        assert value.secret in (None, False)
    secret, read = client.read_open_environment_property(*environment, session, "app.hello-secret")
    assert (secret.secret, read) == (True, "pa$$word")
    _, values, _ = client.open_and_read_environment(*environment)
    assert values["app"]["hello"] == "moon"


def test_a_definition_is_kept_to_the_letter_but_for_its_secrets(client, environment):
    _, raw = client.get_environment(*environment)
    text = raw.decode()
    assert "pa$$word" not in text
    assert text.startswith("# Kept as it is written.\n")
    assert "ciphertext:" in text
    _, decrypted = client.decrypt_environment(*environment)
    assert yaml.safe_load(decrypted) == yaml.safe_load(DEFINITION)


def test_environments_are_listed(client, environment):
    organization, project, name = environment
    listed = client.list_environments(organization)
    assert (project, name) in {(e.project, e.name) for e in listed.environments}


def test_revisions_and_their_tags(client, environment):
    client.update_environment_yaml(*environment, "values: {app: {hello: third}}\n")
    revisions = client.list_environment_revisions(*environment)
    assert [revision.number for revision in revisions] == [3, 2, 1]
    client.create_environment_revision_tag(*environment, "stable", 2)
    tag = client.get_environment_revision_tag(*environment, "stable")
    assert tag.revision == 2
    _, values, _ = client.open_and_read_environment_at_version(*environment, "stable")
    assert values["app"]["hello"] == "world"
    client.update_environment_revision_tag(*environment, "stable", 3)
    _, values, _ = client.open_and_read_environment_at_version(*environment, "stable")
    assert values["app"]["hello"] == "third"
    names = {tag.name for tag in client.list_environment_revision_tags(*environment).tags}
    assert names == {"latest", "stable"}
    client.delete_environment_revision_tag(*environment, "stable")
    with pytest.raises(ApiException) as refused:
        client.get_environment_revision_tag(*environment, "stable")
    assert refused.value.status == 404


def test_environment_tags(client, environment):
    client.create_environment_tag(*environment, "team", "core")
    assert client.get_environment_tag(*environment, "team").value == "core"
    client.update_environment_tag(*environment, "team", "core", "team", "infra")
    listed = client.list_environment_tags(*environment)
    assert listed.tags["team"].value == "infra"
    client.delete_environment_tag(*environment, "team")
    assert "team" not in client.list_environment_tags(*environment).tags


def test_a_clone_opens_by_itself(esc, client, environment):
    organization, project, name = environment
    copy = f"{name}-copy"
    client.clone_environment(organization, project, name, project, copy)
    client.delete_environment(*environment)
    _, values, _ = client.open_and_read_environment(organization, project, copy)
    assert values["app"]["hello-secret"] == "pa$$word"
    with pytest.raises(ApiException) as refused:
        client.open_environment(*environment)
    assert refused.value.status == 404


def test_a_check_tells_what_is_wrong_and_where(esc, client):
    checked = client.check_environment_yaml(esc.organization, "values:\n  a: ${nothing}\n")
    [diagnostic] = checked.diagnostics
    assert "unknown property" in diagnostic.summary
    assert (diagnostic.range.begin.line, diagnostic.range.begin.column) == (2, 8)
    fine = client.check_environment_yaml(esc.organization, "values: {a: 1}\n")
    assert not fine.diagnostics


def test_a_definition_that_cannot_be_read_is_refused_with_its_line(client, environment):
    with pytest.raises(ApiException) as refused:
        client.update_environment_yaml(*environment, "values:\n  a: [1\n  b: 2\n")
    assert refused.value.status == 400
    assert '"line":' in refused.value.body
    _, values, _ = client.open_and_read_environment(*environment)
    assert values["app"]["hello"] == "world"


def test_a_wrong_token_and_an_unknown_environment_are_told_apart(esc, client):
    with pytest.raises(ApiException) as unknown:
        client.open_environment(esc.organization, PROJECT, "nowhere")
    assert unknown.value.status == 404
    stranger = sdk.esc_client.default_client(host=esc.url, access_token="pul-wrong")
    with pytest.raises(ApiException) as refused:
        stranger.list_environments(esc.organization)
    assert refused.value.status == 401
