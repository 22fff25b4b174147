package main

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"net/http"
	"sort"
	"strings"
	"sync"
	"time"

	azfake "github.com/Azure/azure-sdk-for-go/sdk/azcore/fake"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azcertificates"
	certificates "github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azcertificates/fake"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"
	keys "github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys/fake"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"
	secrets "github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets/fake"
	"software.sslmate.com/src/go-pkcs12"
)

// base of the identifiers of objects.
const base = "https://main.vault.azure.net"

// pageSize is what the service gives at once.
const pageSize = 25

// vault keeps every version of every object, the newest last.
type vault struct {
	lock sync.Mutex
	// body of the call that is being answered.
	body []byte
	made int

	secretsKept      map[string][]azsecrets.Secret
	certificatesKept map[string][]azcertificates.Certificate
	keysKept         map[string][]azkeys.KeyBundle

	secrets, certificates, keys transport
}

func newVault() *vault {
	v := &vault{
		secretsKept:      map[string][]azsecrets.Secret{},
		certificatesKept: map[string][]azcertificates.Certificate{},
		keysKept:         map[string][]azkeys.KeyBundle{},
	}
	v.secrets = secrets.NewServerTransport(&secrets.Server{
		GetSecret: v.getSecret, SetSecret: v.setSecret, DeleteSecret: v.deleteSecret,
		NewListSecretPropertiesPager: v.listSecrets,
	})
	v.certificates = certificates.NewServerTransport(&certificates.Server{
		GetCertificate: v.getCertificate, ImportCertificate: v.importCertificate, DeleteCertificate: v.deleteCertificate,
	})
	v.keys = keys.NewServerTransport(&keys.Server{
		GetKey: v.getKey, ImportKey: v.importKey, DeleteKey: v.deleteKey,
	})
	return v
}

// identifier of a new version of an object.
func (v *vault) identifier(kind, name string) string {
	v.made++
	return fmt.Sprintf("%s/%s/%s/%032x", base, kind, name, v.made)
}

// version finds the newest version of an object, or the one that is asked for. The fakes give both as the name.
func version[T any](all map[string][]T, identifier func(T) string, name, wanted string) (found T, ok bool) {
	if before, after, ok := strings.Cut(name, "/"); ok && wanted == "" {
		name, wanted = before, after
	}
	kept := all[name]
	for i := len(kept) - 1; i >= 0; i-- {
		id := identifier(kept[i])
		if wanted == "" || id[len(id)-32:] == wanted {
			return kept[i], true
		}
	}
	return found, false
}

// take removes all versions of an object and gives the newest.
func take[T any](all map[string][]T, name string) (newest T, ok bool) {
	kept := all[name]
	if len(kept) == 0 {
		return newest, false
	}
	delete(all, name)
	return kept[len(kept)-1], true
}

func (v *vault) getSecret(_ context.Context, name, wanted string, _ *azsecrets.GetSecretOptions) (resp azfake.Responder[azsecrets.GetSecretResponse], errResp azfake.ErrorResponder) {
	secret, ok := version(v.secretsKept, func(one azsecrets.Secret) string { return string(*one.ID) }, name, wanted)
	if !ok {
		errResp.SetResponseError(http.StatusNotFound, "SecretNotFound")
		return
	}
	resp.SetResponse(http.StatusOK, azsecrets.GetSecretResponse{Secret: secret}, nil)
	return
}

func (v *vault) setSecret(_ context.Context, name string, sent azsecrets.SetSecretParameters, _ *azsecrets.SetSecretOptions) (resp azfake.Responder[azsecrets.SetSecretResponse], errResp azfake.ErrorResponder) {
	if !v.known(sent) || sent.Value == nil {
		errResp.SetResponseError(http.StatusBadRequest, "BadParameter")
		return
	}
	attributes := azsecrets.SecretAttributes{Enabled: to.Ptr(true)}
	if sent.SecretAttributes != nil {
		attributes = *sent.SecretAttributes
	}
	now := time.Now()
	attributes.Created, attributes.Updated, attributes.RecoveryLevel = &now, &now, to.Ptr("Recoverable+Purgeable")
	id := azsecrets.ID(v.identifier("secrets", name))
	secret := azsecrets.Secret{ID: &id, Value: sent.Value, Tags: sent.Tags, ContentType: sent.ContentType, Attributes: &attributes}
	v.secretsKept[name] = append(v.secretsKept[name], secret)
	resp.SetResponse(http.StatusOK, azsecrets.SetSecretResponse{Secret: secret}, nil)
	return
}

func (v *vault) deleteSecret(_ context.Context, name string, _ *azsecrets.DeleteSecretOptions) (resp azfake.Responder[azsecrets.DeleteSecretResponse], errResp azfake.ErrorResponder) {
	newest, ok := take(v.secretsKept, name)
	if !ok {
		errResp.SetResponseError(http.StatusNotFound, "SecretNotFound")
		return
	}
	gone := azsecrets.DeletedSecret{ID: newest.ID, Attributes: newest.Attributes, Tags: newest.Tags}
	resp.SetResponse(http.StatusOK, azsecrets.DeleteSecretResponse{DeletedSecret: gone}, nil)
	return
}

func (v *vault) listSecrets(*azsecrets.ListSecretPropertiesOptions) (resp azfake.PagerResponder[azsecrets.ListSecretPropertiesResponse]) {
	var names []string
	for name := range v.secretsKept {
		names = append(names, name)
	}
	sort.Strings(names)
	for from := 0; from == 0 || from < len(names); from += pageSize {
		var page azsecrets.ListSecretPropertiesResponse
		for _, name := range names[from:min(from+pageSize, len(names))] {
			kept := v.secretsKept[name]
			newest := kept[len(kept)-1]
			id := azsecrets.ID(base + "/secrets/" + name)
			page.Value = append(page.Value, &azsecrets.SecretProperties{ID: &id, Attributes: newest.Attributes, Tags: newest.Tags, ContentType: newest.ContentType})
		}
		resp.AddPage(http.StatusOK, page, nil)
	}
	return
}

func (v *vault) getCertificate(_ context.Context, name, wanted string, _ *azcertificates.GetCertificateOptions) (resp azfake.Responder[azcertificates.GetCertificateResponse], errResp azfake.ErrorResponder) {
	certificate, ok := version(v.certificatesKept, func(one azcertificates.Certificate) string { return string(*one.ID) }, name, wanted)
	if !ok {
		errResp.SetResponseError(http.StatusNotFound, "CertificateNotFound")
		return
	}
	resp.SetResponse(http.StatusOK, azcertificates.GetCertificateResponse{Certificate: certificate}, nil)
	return
}

func (v *vault) importCertificate(_ context.Context, name string, sent azcertificates.ImportCertificateParameters, _ *azcertificates.ImportCertificateOptions) (resp azfake.Responder[azcertificates.ImportCertificateResponse], errResp azfake.ErrorResponder) {
	leaf := leafOf(sent)
	if !v.known(sent) || leaf == nil {
		errResp.SetResponseError(http.StatusBadRequest, "BadParameter")
		return
	}
	now := time.Now()
	id := azcertificates.ID(v.identifier("certificates", name))
	attributes := azcertificates.CertificateAttributes{Enabled: to.Ptr(true), Created: &now, Updated: &now}
	certificate := azcertificates.Certificate{ID: &id, CER: leaf, Tags: sent.Tags, Policy: sent.CertificatePolicy, Attributes: &attributes}
	v.certificatesKept[name] = append(v.certificatesKept[name], certificate)
	resp.SetResponse(http.StatusOK, azcertificates.ImportCertificateResponse{Certificate: certificate}, nil)
	return
}

// leafOf gives the first certificate in DER; nil if it, or its key, cannot be read.
func leafOf(sent azcertificates.ImportCertificateParameters) []byte {
	if sent.Base64EncodedCertificate == nil {
		return nil
	}
	text, password := *sent.Base64EncodedCertificate, ""
	if sent.Password != nil {
		password = *sent.Password
	}
	if archive, err := base64.StdEncoding.DecodeString(text); err == nil {
		_, leaf, _, err := pkcs12.DecodeChain(archive, password)
		if err != nil {
			return nil
		}
		return leaf.Raw
	}
	var leaf []byte
	var hasKey bool
	for block, rest := pem.Decode([]byte(text)); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "CERTIFICATE" && leaf == nil {
			leaf = block.Bytes
		}
		if _, err := x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
			hasKey = true
		}
	}
	if !hasKey {
		return nil
	}
	return leaf
}

func (v *vault) deleteCertificate(_ context.Context, name string, _ *azcertificates.DeleteCertificateOptions) (resp azfake.Responder[azcertificates.DeleteCertificateResponse], errResp azfake.ErrorResponder) {
	newest, ok := take(v.certificatesKept, name)
	if !ok {
		errResp.SetResponseError(http.StatusNotFound, "CertificateNotFound")
		return
	}
	gone := azcertificates.DeletedCertificate{ID: newest.ID, Attributes: newest.Attributes, Tags: newest.Tags}
	resp.SetResponse(http.StatusOK, azcertificates.DeleteCertificateResponse{DeletedCertificate: gone}, nil)
	return
}

func (v *vault) getKey(_ context.Context, name, wanted string, _ *azkeys.GetKeyOptions) (resp azfake.Responder[azkeys.GetKeyResponse], errResp azfake.ErrorResponder) {
	key, ok := version(v.keysKept, func(one azkeys.KeyBundle) string { return string(*one.Key.KID) }, name, wanted)
	if !ok {
		errResp.SetResponseError(http.StatusNotFound, "KeyNotFound")
		return
	}
	resp.SetResponse(http.StatusOK, azkeys.GetKeyResponse{KeyBundle: key}, nil)
	return
}

func (v *vault) importKey(_ context.Context, name string, sent azkeys.ImportKeyParameters, _ *azkeys.ImportKeyOptions) (resp azfake.Responder[azkeys.ImportKeyResponse], errResp azfake.ErrorResponder) {
	if !v.known(sent) || sent.Key == nil || sent.Key.Kty == nil || len(sent.Key.D) == 0 {
		errResp.SetResponseError(http.StatusBadRequest, "BadParameter")
		return
	}
	now := time.Now()
	id := azkeys.ID(v.identifier("keys", name))
	public := azkeys.JSONWebKey{KID: &id, Kty: sent.Key.Kty, Crv: sent.Key.Crv, N: sent.Key.N, E: sent.Key.E, X: sent.Key.X, Y: sent.Key.Y, KeyOps: sent.Key.KeyOps}
	key := azkeys.KeyBundle{Key: &public, Tags: sent.Tags, Attributes: &azkeys.KeyAttributes{Enabled: to.Ptr(true), Created: &now, Updated: &now}}
	v.keysKept[name] = append(v.keysKept[name], key)
	resp.SetResponse(http.StatusOK, azkeys.ImportKeyResponse{KeyBundle: key}, nil)
	return
}

func (v *vault) deleteKey(_ context.Context, name string, _ *azkeys.DeleteKeyOptions) (resp azfake.Responder[azkeys.DeleteKeyResponse], errResp azfake.ErrorResponder) {
	newest, ok := take(v.keysKept, name)
	if !ok {
		errResp.SetResponseError(http.StatusNotFound, "KeyNotFound")
		return
	}
	resp.SetResponse(http.StatusOK, azkeys.DeleteKeyResponse{DeletedKey: azkeys.DeletedKey{Key: newest.Key, Attributes: newest.Attributes, Tags: newest.Tags}}, nil)
	return
}
