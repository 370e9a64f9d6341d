package clients

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow/flight/flightsql"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

const secret = "a secret of the tests, which is long enough to be one"

// A certificate for localhost that signs itself, and its key, as files.
func certificate(t *testing.T) (certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "localhost"},
		DNSNames:              []string{"localhost"},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(time.Hour),
		IsCA:                  true,
		BasicConstraintsValid: true,
	}
	signed, err := x509.CreateCertificate(rand.Reader, &template, &template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	write := func(name, kind string, bytes []byte) string {
		path := filepath.Join(folder, name)
		text := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: bytes})
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	return write("cert.pem", "CERTIFICATE", signed), write("key.pem", "PRIVATE KEY", encoded)
}

// A token of an admin that was signed with a secret, as the server's binary makes them.
func token(t *testing.T, secret string) string {
	t.Helper()
	command := exec.Command(binary(t), "token", "--admin")
	command.Env = append(environment(), "SHOOTS_SECRET="+secret)
	text, err := command.Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

func bearing(ctx context.Context, token string) context.Context {
	return metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token)
}

func TestEncryptedConnectionsWithATokenAreLetInAndOthersAreNot(t *testing.T) {
	cert, key := certificate(t)
	secrets := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secrets, []byte(secret), 0o600); err != nil {
		t.Fatal(err)
	}
	address := start(t, "grpc+tls", "--cert-file", cert, "--key-file", key, "--secret-file", secrets)
	text, err := os.ReadFile(cert)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(text)
	trusting := grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{RootCAs: roots, ServerName: "localhost"}))
	client, ctx := connect(t, address, trusting), patience(t)
	rows := weather()
	let := bearing(ctx, token(t, secret))
	if _, err := put(let, client, map[string]any{"name": "weather"}, rows); err != nil {
		t.Fatal(err)
	}
	got, err := get(let, client, map[string]any{"name": "weather"})
	expect(t, got, err, rows)

	sql, err := flightsql.NewClient(address, nil, nil, trusting)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sql.Close() })
	info, err := sql.Execute(let, "select origin from weather where wind > 10")
	if err != nil {
		t.Fatal(err)
	}
	found, err := read(sql.DoGet(let, info.Endpoint[0].Ticket))
	if err != nil || len(found) != 1 || found[0].Column(0).ValueStr(0) != "LGA" {
		t.Fatal(found, err)
	}

	for name, refused := range map[string]context.Context{
		"no token":        ctx,
		"another secret":  bearing(ctx, token(t, "another secret, which is just as long as the right one")),
		"no token at all": bearing(ctx, "nonsense"),
	} {
		_, err := get(refused, client, map[string]any{"name": "weather"})
		if status.Code(err) != codes.Unauthenticated {
			t.Errorf("%s: %v", name, err)
		}
	}
	strange := grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{RootCAs: x509.NewCertPool(), ServerName: "localhost"}))
	if _, err := get(let, connect(t, address, strange), map[string]any{"name": "weather"}); status.Code(err) != codes.Unavailable {
		t.Error("a certificate of nobody was trusted", err)
	}
	if _, err := get(let, connect(t, address, plain), map[string]any{"name": "weather"}); err == nil {
		t.Error("the server answers without encryption")
	}
}
