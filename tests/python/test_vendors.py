"""Clients of 1Password, Doppler, Infisical, GitHub, GitLab, Conjur, Akeyless and Barbican against the doubles that latchkey is
tested with; 1Password's and Conjur's also with their published specification in between."""

import asyncio
import base64
import os
import subprocess

import akeyless
import github
import gitlab
import httpx
import pytest
import yaml
from barbicanclient import client as barbican
from barbicanclient.exceptions import HTTPClientError
from conjur_api import Client as Conjur
from conjur_api.errors.errors import HttpStatusError
from conjur_api.models import ConjurConnectionInfo, CredentialsData, SslVerificationMode
from conjur_api.providers import AuthnAuthenticationStrategy, SimpleCredentialsProvider
from dopplersdk import DopplerSDK
from keystoneauth1 import exceptions, identity, session
from infisical_sdk import InfisicalError, InfisicalSDKClient
from onepasswordconnectsdk.client import new_client
from onepasswordconnectsdk.errors import FailedToRetrieveItemException
from onepasswordconnectsdk.models import Field, Item, ItemVault


@pytest.fixture
def vendors(clouds):
    return clouds["vendors"]


@pytest.fixture(params=["double", "specification"])
def connect(request, vendors, specified):
    """Where 1Password's client is sent: to the double, or to what holds both to the specification."""
    double = vendors["onepassword"]
    url = double["url"]
    if request.param == "specification":
        url = specified("onepassword", url)
    return {**double, "url": url}


def test_1password_reads_and_finds_items(connect):
    client = new_client(connect["url"], connect["token"])
    vault = client.get_vault_by_title("main")
    assert vault.id == connect["vaults"][0]
    assert {one.name for one in client.get_vaults()} == {"main", "more"}
    item = client.get_item_by_title("app", vault.id)
    assert {field.label: field.value for field in item.fields} == {"user": "hunter2-user", "port": "5432"}
    assert client.get_item(item.id, vault.id).title == "app"
    assert "word" in {one.title for one in client.get_items(vault.id)}
    with pytest.raises(FailedToRetrieveItemException):
        client.get_item_by_id("z" * 26, vault.id)


def test_1password_writes_and_deletes_items(connect):
    client = new_client(connect["url"], connect["token"])
    vault = connect["vaults"][1]
    fields = [Field(id="password", label="password", type="CONCEALED", value="one")]
    item = Item(vault=ItemVault(id=vault), title="made", category="LOGIN", fields=fields)
    made = client.create_item(vault, item)
    made.fields[0].value = "two"
    changed = client.update_item(made.id, vault, made)
    assert changed.fields[0].value == "two"
    assert client.get_item_by_id(made.id, vault).fields[0].value == "two"
    client.delete_item(made.id, vault)
    with pytest.raises(FailedToRetrieveItemException):
        client.get_item_by_id(made.id, vault)


def test_the_specification_refuses_what_connect_would(vendors, specified):
    double = vendors["onepassword"]
    url = specified("onepassword", double["url"])
    token = {"authorization": f"Bearer {double['token']}"}
    assert httpx.get(f"{url}/v1/vaults", headers=token).status_code == 200
    assert httpx.get(f"{url}/v1/vaults").status_code == 401
    assert httpx.get(f"{url}/v1/vaults/short", headers=token).status_code == 422
    assert httpx.get(f"{url}/v1/nothing", headers=token).status_code == 404


@pytest.fixture(params=["double", "specification"])
def conjur(request, vendors, specified):
    double = vendors["conjur"]
    url = double["url"]
    if request.param == "specification":
        url = specified("conjur", url)
    user, key = double["login"]

    def client(key=key):
        credentials = SimpleCredentialsProvider()
        credentials.save(CredentialsData(machine=url, username=user, api_key=key))
        connection = ConjurConnectionInfo(conjur_url=url, account="acme")
        strategy = AuthnAuthenticationStrategy(credentials)
        return Conjur(connection, authn_strategy=strategy, ssl_verification_mode=SslVerificationMode.INSECURE)

    return client


def test_conjur_reads_one_and_many_variables(conjur):
    client = conjur()

    async def read():
        assert await client.get("word") == b"hunter2-word"
        assert await client.get("apps/db/password") == b"deep"
        many = await client.get_many("word", "apps/db/password")
        assert many == {"word": "hunter2-word", "apps/db/password": "deep"}
        with pytest.raises(HttpStatusError) as missing:
            await client.get("nothing")
        assert missing.value.status == 404

    asyncio.run(read())


def test_conjur_lists_variables_and_refuses_a_wrong_key(conjur):
    async def read():
        found = await conjur().list({"kind": "variable"})
        assert "acme:variable:apps/db/password" in found
        with pytest.raises(HttpStatusError) as refused:
            await conjur("wrong" * 11).get("word")
        assert refused.value.status == 401

    asyncio.run(read())


def rendered(tmp_path, provider, credentials, spec):
    """What latchkey makes of an ExternalSecret whose store is of this provider, with these credentials."""
    objects = [
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "login"}, "stringData": credentials},
        {"apiVersion": "external-secrets.io/v1", "kind": "SecretStore", "metadata": {"name": "store"},
         "spec": {"provider": provider}},
        {"apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret", "metadata": {"name": "app"},
         "spec": {"secretStoreRef": {"name": "store"}, **spec}},
    ]
    file = tmp_path / "objects.yaml"
    file.write_text(yaml.safe_dump_all(objects))
    command = [os.environ["LATCHKEY"], "render", "--offline", "--show-values", str(file)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, ended.stderr
    secret = yaml.safe_load(ended.stdout)
    plain = secret.get("stringData", {})
    return plain | {key: base64.b64decode(value).decode() for key, value in secret.get("data", {}).items()}


def test_latchkey_asks_1password_by_the_specification(tmp_path, connect):
    token = {"name": "login", "key": "token"}
    provider = {"onepassword": {"connectHost": connect["url"], "vaults": {"main": 1},
                                "auth": {"secretRef": {"connectTokenSecretRef": token}}}}
    spec = {"data": [{"secretKey": "user", "remoteRef": {"key": "app", "property": "user"}}],
            "dataFrom": [{"extract": {"key": "app"}}]}
    values = rendered(tmp_path, provider, {"token": connect["token"]}, spec)
    assert values["user"] == "hunter2-user"
    assert values["port"] == "5432"


@pytest.mark.parametrize("way", ["double", "specification"])
def test_latchkey_asks_conjur_by_the_specification(tmp_path, vendors, specified, way):
    double = vendors["conjur"]
    url = specified("conjur", double["url"]) if way == "specification" else double["url"]
    user, key = double["login"]
    selector = lambda key: {"name": "login", "key": key}
    login = {"account": "acme", "userRef": selector("user"), "apiKeyRef": selector("key")}
    provider = {"conjur": {"url": url, "auth": {"apikey": login}}}
    spec = {"data": [{"secretKey": "word", "remoteRef": {"key": "word"}}],
            "dataFrom": [{"find": {"name": {"regexp": "^apps/db/"}}}]}
    values = rendered(tmp_path, provider, {"user": user, "key": key}, spec)
    assert values["word"] == "hunter2-word"
    assert "deep" in values.values()


def test_doppler_reads_changes_and_lists_secrets(vendors):
    double = vendors["doppler"]
    client = DopplerSDK(access_token=double["token"])
    client.set_base_url(double["url"])
    listed = client.secrets.list(config="dev", project="app").secrets
    assert listed["word"]["raw"] == "hunter2-word"
    client.secrets.update({"project": "app", "config": "dev", "secrets": {"MADE": "one"}})
    assert client.secrets.list(config="dev", project="app").secrets["MADE"]["computed"] == "one"
    stranger = DopplerSDK(access_token="dp.st.wrong")
    stranger.set_base_url(double["url"])
    with pytest.raises(Exception) as refused:
        stranger.secrets.list(config="dev", project="app")
    assert "401" in str(refused.value) or "Unauthorized" in repr(refused.value)


def test_infisical_reads_lists_and_writes_secrets(vendors):
    double = vendors["infisical"]
    client = InfisicalSDKClient(host=double["url"], cache_ttl=None)
    client.auth.universal_auth.login(*double["login"])
    at = {"environment_slug": "dev", "secret_path": "/", "project_id": "project-1"}
    read = client.secrets.get_secret_by_name(secret_name="word", **at)
    assert (read.secretKey, read.secretValue) == ("word", "hunter2-word")
    listed = client.secrets.list_secrets(recursive=True, **at).secrets
    assert {"word", "app", "URL"} <= {one.secretKey for one in listed}
    client.secrets.create_secret_by_name(secret_name="MADE", secret_value="one", **at)
    client.secrets.update_secret_by_name(current_secret_name="MADE", secret_value="two", **at)
    assert client.secrets.get_secret_by_name(secret_name="MADE", **at).secretValue == "two"
    client.secrets.delete_secret_by_name(secret_name="MADE", **at)
    with pytest.raises(InfisicalError):
        client.secrets.get_secret_by_name(secret_name="MADE", **at)
    with pytest.raises(InfisicalError):
        client.auth.universal_auth.login(double["login"][0], "wrong")


def test_gitlab_reads_variables_of_projects_and_groups_page_by_page(vendors):
    double = vendors["gitlab"]
    client = gitlab.Gitlab(double["url"], private_token=double["token"])
    project = client.projects.get(7, lazy=True)
    variables = project.variables.list(get_all=True)
    assert [one.key for one in variables] == ["OTHER_A", "word", "app", "OTHER_A", "EMPTY", "SHY"]
    assert project.variables.get("word").value == "hunter2-word"
    assert {one.full_path for one in project.groups.list(get_all=True)} == {"acme", "acme/team"}
    group = client.groups.get(1, lazy=True)
    assert group.variables.list(get_all=True)[0].value == "outer"
    with pytest.raises(gitlab.GitlabGetError):
        project.variables.get("nothing")
    stranger = gitlab.Gitlab(double["url"], private_token="wrong")
    for call in (lambda: stranger.projects.get(7, lazy=True).variables.list(get_all=True),
                 lambda: stranger.projects.get(7, lazy=True).variables.get("word")):
        with pytest.raises(gitlab.GitlabAuthenticationError):
            call()


def test_akeyless_reads_lists_and_writes_items(vendors):
    double = vendors["akeyless"]
    configuration = akeyless.Configuration(host=double["url"])
    client = akeyless.V2Api(akeyless.ApiClient(configuration))
    access_id, key = double["login"]
    token = client.auth(akeyless.Auth(access_id=access_id, access_key=key)).token
    read = client.get_secret_value(akeyless.GetSecretValue(names=["word"], token=token))
    assert read["word"] == "hunter2-word"
    items = client.list_items(akeyless.ListItems(token=token)).items
    assert {"word", "app", "/team/db"} <= {item.item_name for item in items}
    client.create_secret(akeyless.CreateSecret(name="/made", value="one", token=token))
    client.update_secret_val(akeyless.UpdateSecretVal(name="/made", value="two", token=token))
    read = client.get_secret_value(akeyless.GetSecretValue(names=["/made"], token=token))
    assert read["/made"] == "two"
    client.delete_item(akeyless.DeleteItem(name="/made", token=token))
    with pytest.raises(akeyless.ApiException) as missing:
        client.get_secret_value(akeyless.GetSecretValue(names=["/made"], token=token))
    assert missing.value.status == 404


def test_github_logs_in_as_an_app_and_keeps_sealed_secrets(vendors):
    double = vendors["github"]
    login = github.Auth.AppAuth(1, double["key"]).get_installation_auth(2)
    client = github.Github(base_url=f"{double['url']}/api/v3", auth=login)
    repository = client.get_repo("acme/app", lazy=True)
    repository.create_secret("MADE", "one")
    assert repository.get_secret("MADE").created_at.year == 2026
    assert repository.delete_secret("MADE")
    with pytest.raises(github.UnknownObjectException):
        repository.get_secret("MADE").update()
    stranger = github.Github(base_url=f"{double['url']}/api/v3", auth=github.Auth.Token("wrong"))
    with pytest.raises(github.BadCredentialsException):
        stranger.get_repo("acme/app", lazy=True).get_public_key()


def test_barbican_reads_behind_keystone(vendors):
    double = vendors["barbican"]
    user, password = double["login"]

    def client(password):
        login = identity.V3Password(
            auth_url=f"{double['url']}/v3", username=user, password=password, user_domain_name="Default",
            project_name="team", project_domain_name="Default",
        )
        return barbican.Client(session=session.Session(auth=login), region_name="near")

    reference = f"{double['url']}/key-manager/v1/secrets/"
    assert client(password).secrets.get(reference + double["id"]).payload == "hunter2-word"
    assert {one.name for one in client(password).secrets.list()} == {"word", "app"}
    with pytest.raises(HTTPClientError):
        client(password).secrets.get(reference + "00000000-0000-0000-0000-000000000000").payload
    with pytest.raises(exceptions.Unauthorized):
        client("wrong").secrets.list()
