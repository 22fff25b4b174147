// Serves Azure Key Vault's data plane on loopback: the protocol is that of the fake servers in Microsoft's own SDK
// for Go, which read each request into Microsoft's types and write each answer from them; what is kept is a map.
//
// It is stricter than the fakes alone: a call without a bearer token is challenged, a call without api-version is
// refused, and so is a body with a field that Microsoft's types do not know.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"reflect"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
)

// transport is one of Microsoft's fakes: it finds the operation by its name in the request's context.
type transport interface {
	Do(*http.Request) (*http.Response, error)
}

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "where to listen")
	certificate := flag.String("certificate", "", "file with the certificate, PEM")
	key := flag.String("key", "", "file with its key, PEM")
	flag.Parse()
	server := http.Server{Addr: *listen, Handler: newVault()}
	log.Fatal(server.ListenAndServeTLS(*certificate, *key))
}

// ServeHTTP answers as the service does.
func (v *vault) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	if !strings.HasPrefix(request.Header.Get("Authorization"), "Bearer ") {
		w.Header().Set("WWW-Authenticate", `Bearer authorization="https://login.microsoftonline.com/common", resource="https://vault.azure.net"`)
		fail(w, http.StatusUnauthorized, "Unauthorized", "AKV10000: Request is missing a Bearer or PoP token.")
		return
	}
	fake, operation := v.operation(request)
	if fake == nil {
		fail(w, http.StatusMethodNotAllowed, "MethodNotAllowed", request.Method+" "+request.URL.Path)
		return
	}
	if request.URL.Query().Get("api-version") == "" {
		fail(w, http.StatusBadRequest, "BadParameter", "api-version must be specified")
		return
	}
	body, err := io.ReadAll(request.Body)
	if err != nil {
		fail(w, http.StatusBadRequest, "BadParameter", err.Error())
		return
	}
	v.lock.Lock()
	defer v.lock.Unlock()
	v.body = body
	inner := request.Clone(context.WithValue(request.Context(), runtime.CtxAPINameKey{}, operation))
	inner.Body = io.NopCloser(bytes.NewReader(body))
	inner.URL.Scheme, inner.URL.Host = "https", request.Host
	answer, err := fake.Do(inner)
	if err != nil {
		var told *azcore.ResponseError
		if errors.As(err, &told) {
			fail(w, told.StatusCode, told.ErrorCode, "refused: "+request.URL.Path)
		} else {
			fail(w, http.StatusBadRequest, "BadParameter", err.Error())
		}
		return
	}
	defer answer.Body.Close()
	w.Header().Set("Content-Type", answer.Header.Get("Content-Type"))
	w.WriteHeader(answer.StatusCode)
	io.Copy(w, answer.Body)
}

// operation gives the fake that serves a call, and the operation's name there.
func (v *vault) operation(request *http.Request) (transport, string) {
	parts := strings.Split(strings.Trim(request.URL.Path, "/"), "/")
	form := fmt.Sprintf("%s %s %d", request.Method, parts[0], len(parts))
	switch form {
	case "GET secrets 1":
		return v.secrets, "Client.NewListSecretPropertiesPager"
	case "GET secrets 2", "GET secrets 3":
		// Links to further pages are the fake's own.
		if strings.HasPrefix(parts[1], "fake_page_") {
			return v.secrets, "Client.NewListSecretPropertiesPager"
		}
		return v.secrets, "Client.GetSecret"
	case "PUT secrets 2":
		return v.secrets, "Client.SetSecret"
	case "DELETE secrets 2":
		return v.secrets, "Client.DeleteSecret"
	case "GET certificates 2", "GET certificates 3":
		return v.certificates, "Client.GetCertificate"
	case "POST certificates 3":
		return v.certificates, "Client.ImportCertificate"
	case "DELETE certificates 2":
		return v.certificates, "Client.DeleteCertificate"
	case "GET keys 2", "GET keys 3":
		return v.keys, "Client.GetKey"
	case "PUT keys 2":
		return v.keys, "Client.ImportKey"
	case "DELETE keys 2":
		return v.keys, "Client.DeleteKey"
	}
	return nil, ""
}

// known tells whether Microsoft's type kept every field of the body that it was read from.
func (v *vault) known(read any) bool {
	written, err := json.Marshal(read)
	if err != nil {
		return false
	}
	var sent, kept any
	if json.Unmarshal(v.body, &sent) != nil || json.Unmarshal(written, &kept) != nil {
		return false
	}
	if !reflect.DeepEqual(sent, kept) {
		log.Printf("sent %v, understood %v", fields(sent), fields(kept))
		return false
	}
	return true
}

// fields gives the names of an object's members; values may be secret.
func fields(value any) []string {
	object, _ := value.(map[string]any)
	var names []string
	for name := range object {
		names = append(names, name)
	}
	return names
}

func fail(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]any{"error": map[string]any{"code": code, "message": message}})
}
