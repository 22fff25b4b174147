"""The vendors' own Python clients against the doubles of Azure and Google that latchkey is tested with."""

import pytest
from azure.core.exceptions import ClientAuthenticationError, ResourceNotFoundError
from azure.identity import (
    CertificateCredential,
    ClientSecretCredential,
    ManagedIdentityCredential,
)
from azure.keyvault.secrets import SecretClient
from google.api_core import exceptions
from google.auth import compute_engine
from google.auth.compute_engine import _metadata
from google.auth.exceptions import RefreshError
from google.auth.transport.requests import Request
from google.cloud import secretmanager
from google.oauth2 import credentials as access
from google.oauth2 import service_account

SCOPE = "https://www.googleapis.com/auth/cloud-platform"


@pytest.fixture
def azure(clouds):
    return clouds["azure"]


def secret_credential(clouds, secret):
    azure = clouds["azure"]
    return ClientSecretCredential(
        azure["tenant"], azure["client"], secret,
        authority=azure["authority"],
        disable_instance_discovery=True,
        connection_verify=clouds["ca"],
    )


def vault(clouds, credential):
    return SecretClient(
        clouds["azure"]["vault"], credential,
        verify_challenge_resource=False,
        connection_verify=clouds["ca"],
        retry_total=0,
    )


def test_azure_writes_reads_lists_and_deletes_secrets(clouds, azure):
    client = vault(clouds, secret_credential(clouds, azure["secret"]))
    first = client.set_secret("db", "one", tags={"team": "a"}, content_type="text/plain")
    client.set_secret("db", "two")
    for number in range(30):
        client.set_secret(f"s{number}", "v")
    assert client.get_secret("db").value == "two"
    old = client.get_secret("db", first.properties.version)
    assert (old.value, old.properties.tags, old.properties.content_type) == ("one", {"team": "a"}, "text/plain")
    assert old.properties.created_on is not None
    assert len({item.name for item in client.list_properties_of_secrets()}) == 31
    client.begin_delete_secret("db")
    with pytest.raises(ResourceNotFoundError):
        client.get_secret("db")


def test_azure_accepts_a_certificate_and_no_wrong_secret(clouds, azure):
    credential = CertificateCredential(
        azure["tenant"], azure["client"],
        certificate_data=azure["certificate"].encode(),
        authority=azure["authority"],
        disable_instance_discovery=True,
        connection_verify=clouds["ca"],
    )
    client = vault(clouds, credential)
    client.set_secret("by-certificate", "v")
    assert client.get_secret("by-certificate").value == "v"
    with pytest.raises(ClientAuthenticationError, match="AADSTS7000215"):
        vault(clouds, secret_credential(clouds, "wrong")).get_secret("by-certificate")


def test_azure_asks_the_machine_for_its_identity(clouds, azure, monkeypatch):
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", azure["machine"])
    client = vault(clouds, ManagedIdentityCredential(client_id=azure["identity"]))
    client.set_secret("by-machine", "v")
    assert client.get_secret("by-machine").value == "v"


@pytest.fixture
def trusted(clouds, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", clouds["ca"])
    return clouds["google"]


def manager(google, credentials):
    # The token alone: with the key, this client would sign a token for the service itself.
    credentials = access.Credentials(credentials.token)
    return secretmanager.SecretManagerServiceClient(
        credentials=credentials, transport="rest",
        client_options={"api_endpoint": f"https://{google['endpoint']}"},
    )


def of_key(key):
    # With the token endpoint, as latchkey does it, and not with a self-signed token.
    credentials = service_account.Credentials.from_service_account_info(key, scopes=[SCOPE])
    return credentials.with_always_use_jwt_access(False)


def test_google_exchanges_a_key_for_a_token(trusted):
    credentials = of_key(trusted["key"])
    credentials.refresh(Request())
    assert credentials.valid
    forged = dict(trusted["key"], private_key=trusted["stranger"])
    with pytest.raises(RefreshError, match="invalid_grant"):
        of_key(forged).refresh(Request())


def test_google_asks_the_machine_for_its_identity(trusted, monkeypatch):
    # The environment is looked at when the module is imported, so too early.
    monkeypatch.setattr(_metadata, "_GCE_METADATA_HOST", trusted["machine"])
    credentials = compute_engine.Credentials()
    credentials.refresh(Request())
    assert credentials.service_account_email == trusted["key"]["client_email"]
    client = manager(trusted, credentials)
    assert list(client.list_secrets(parent="projects/empty")) == []


def test_google_makes_reads_changes_and_deletes_secrets(trusted):
    credentials = of_key(trusted["key"])
    credentials.refresh(Request())
    client = manager(trusted, credentials)
    parent = "projects/main"
    made = client.create_secret(
        parent=parent, secret_id="db",
        secret={"replication": {"automatic": {}}, "labels": {"team": "a"}},
    )
    assert made.name == "projects/main/secrets/db"
    for value in (b"one", b"two"):
        client.add_secret_version(parent=made.name, payload={"data": value})
    read = client.access_secret_version(name=f"{made.name}/versions/latest")
    assert (read.payload.data, read.name.rsplit("/", 1)[1]) == (b"two", "2")
    assert client.access_secret_version(name=f"{made.name}/versions/1").payload.data == b"one"
    states = {version.name: version.state.name for version in client.list_secret_versions(parent=made.name)}
    assert set(states.values()) == {"ENABLED"}
    client.update_secret(secret={"name": made.name, "labels": {"team": "b"}}, update_mask={"paths": ["labels"]})
    assert client.get_secret(name=made.name).labels == {"team": "b"}
    for number in range(30):
        client.create_secret(parent=parent, secret_id=f"s{number}", secret={"replication": {"automatic": {}}})
    assert len(list(client.list_secrets(parent=parent))) == 31
    [found] = client.list_secrets(request={"parent": parent, "filter": "labels.team=b"})
    assert found.name == made.name
    client.delete_secret(name=made.name)
    with pytest.raises(exceptions.NotFound):
        client.get_secret(name=made.name)


def test_google_refuses_a_token_of_nobody(trusted):
    credentials = of_key(trusted["key"])
    credentials.refresh(Request())
    credentials.token = credentials.token[:-4] + "AAAA"
    with pytest.raises((exceptions.Unauthorized, RefreshError)):
        manager(trusted, credentials).get_secret(name="projects/main/secrets/s1")
