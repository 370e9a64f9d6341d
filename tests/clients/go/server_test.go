// Package clients tries the real server with Arrow's Go clients. The variable SHOOTS_SERVER names the binary;
// `cargo xtask clients` builds it and sets that.
package clients

import (
	"bufio"
	"bytes"
	"context"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A server with an empty store, which ends with the test. Gives its host and port.
func start(t *testing.T, scheme string, flags ...string) string {
	t.Helper()
	flags = append([]string{"--port", "0", "--bucket-dir", t.TempDir()}, flags...)
	command := exec.Command(binary(t), flags...)
	command.Env = environment()
	var log bytes.Buffer
	command.Stderr = &log
	output, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Signal(syscall.SIGTERM)
		if err := command.Wait(); err != nil {
			t.Errorf("the server did not end in order: %v\n%s", err, log.String())
		}
		if strings.Contains(log.String(), "panicked") {
			t.Error(log.String())
		}
	})
	line, err := bufio.NewReader(output).ReadString('\n')
	address, found := strings.CutPrefix(strings.TrimSpace(line), "shoots-server listening on "+scheme+"://")
	if err != nil || !found {
		t.Fatalf("unexpected first line %q: %v", line, err)
	}
	return address
}

func binary(t *testing.T) string {
	t.Helper()
	path := os.Getenv("SHOOTS_SERVER")
	if path == "" {
		t.Fatal("SHOOTS_SERVER must be the path of the server binary; `cargo xtask clients` sets it")
	}
	return path
}

// The environment without any setting of the server.
func environment() []string {
	var kept []string
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "SHOOTS_") {
			kept = append(kept, variable)
		}
	}
	return kept
}

// Far above what any call takes: only a hang meets it.
func patience(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}
