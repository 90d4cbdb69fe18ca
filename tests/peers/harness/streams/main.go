// streams answers for the kubelets of all nodes: exec, port-forward and logs of real pods.
//
// In Go, because the API server speaks SPDY to kubelets, and the kubelet's own library for that is Go.
// It knows nothing by itself: podd leaves a file for each pod (FOLDER/NAMESPACE/POD.json) that says how
// its containers are entered.  Usage: streams FOLDER ADDRESS CERT KEY CLIENT-CA
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"k8s.io/cri-streaming/pkg/streaming/portforward"
	"k8s.io/cri-streaming/pkg/streaming/remotecommand"
)

const (
	idleTimeout     = 4 * time.Hour    // the kubelet's own
	creationTimeout = 30 * time.Second // of the streams of one request
	followPause     = 200 * time.Millisecond
)

type container struct {
	Pid   int      `json:"pid"`
	Enter []string `json:"enter"`
	Env   []string `json:"env"`
	Log   string   `json:"log"`
}

type pod struct {
	UID        string               `json:"uid"`
	Logs       string               `json:"logs"`
	Sandbox    int                  `json:"sandbox"`
	Containers map[string]container `json:"containers"`
	Default    string               `json:"default"`
}

type server struct{ folder string }

func (s *server) pod(namespaced string) (*pod, error) {
	data, err := os.ReadFile(filepath.Join(s.folder, filepath.Clean("/"+namespaced)+".json"))
	if err != nil {
		return nil, fmt.Errorf("pod %s is not run as real processes: %w", namespaced, err)
	}
	p := &pod{}
	return p, json.Unmarshal(data, p)
}

// exitCode makes an exec error one that the library reports with its code.
type exitCode struct{ *exec.ExitError }

func (e exitCode) String() string  { return e.Error() }
func (e exitCode) ExitStatus() int {
	if status, ok := e.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return e.ExitCode()
}
func (e exitCode) Exited() bool { return true }

// ExecInContainer runs one command in the namespaces of a running container.
func (s *server) ExecInContainer(ctx context.Context, name, uid, of string, argv []string, in io.Reader,
	out, errOut io.WriteCloser, tty bool, resize <-chan remotecommand.TerminalSize, _ time.Duration) error {
	p, err := s.pod(name)
	if err != nil {
		return err
	}
	if of == "" {
		of = p.Default
	}
	c, ok := p.Containers[of]
	if !ok {
		return fmt.Errorf("container not found (%q)", of)
	}
	all := append(append([]string{}, c.Enter...), argv...)
	cmd := exec.CommandContext(ctx, all[0], all[1:]...)
	cmd.Env = c.Env
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	return run(cmd, in, out, errOut)
}

// run hands stdin over by a pipe of its own, so that a command that ends does not wait for its caller.
func run(cmd *exec.Cmd, in io.Reader, out, errOut io.WriteCloser) error {
	runtime.LockOSThread() // Pdeathsig counts for the thread
	defer runtime.UnlockOSThread()
	if out != nil {
		cmd.Stdout = out
	}
	if errOut != nil {
		cmd.Stderr = errOut
	}
	if in != nil {
		pipe, err := cmd.StdinPipe()
		if err != nil {
			return err
		}
		go func() {
			_, _ = io.Copy(pipe, in)
			_ = pipe.Close()
		}()
	}
	err := cmd.Run()
	if failed, ok := err.(*exec.ExitError); ok {
		return exitCode{failed}
	}
	return err
}

// PortForward connects to a port of the pod from inside its network, where localhost is the pod.
func (s *server) PortForward(ctx context.Context, name, uid string, port int32, stream io.ReadWriteCloser) error {
	defer stream.Close()
	p, err := s.pod(name)
	if err != nil {
		return err
	}
	conn, err := dialInside(ctx, p.Sandbox, port)
	if err != nil {
		return fmt.Errorf("failed to connect to localhost:%d inside namespace %q, IPv4: %w", port, p.UID, err)
	}
	defer conn.Close()
	var both sync.WaitGroup
	both.Add(1)
	go func() {
		defer both.Done()
		_, _ = io.Copy(conn, stream)
		_ = conn.(*net.TCPConn).CloseWrite()
	}()
	_, err = io.Copy(stream, conn)
	_ = stream.Close()
	both.Wait()
	return err
}

// dialInside opens the socket on a thread that has joined the pod's network, and gives the thread up.
func dialInside(ctx context.Context, pid int, port int32) (net.Conn, error) {
	type result struct {
		conn net.Conn
		err  error
	}
	done := make(chan result, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: Go ends a changed thread with its goroutine
		handle, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", pid))
		if err != nil {
			done <- result{nil, err}
			return
		}
		defer handle.Close()
		if err := unix.Setns(int(handle.Fd()), unix.CLONE_NEWNET); err != nil {
			done <- result{nil, err}
			return
		}
		var dialer net.Dialer
		conn, err := dialer.DialContext(ctx, "tcp4", fmt.Sprintf("127.0.0.1:%d", port))
		done <- result{conn, err}
	}()
	got := <-done
	return got.conn, got.err
}

func (s *server) exec(w http.ResponseWriter, r *http.Request) {
	options, err := remotecommand.NewOptions(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	remotecommand.ServeExec(w, r, s, name(r), "", r.PathValue("container"), r.URL.Query()["command"], options,
		idleTimeout, creationTimeout, remotecommand.SupportedStreamingProtocols)
}

func (s *server) forward(w http.ResponseWriter, r *http.Request) {
	options, err := portforward.NewV4Options(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	portforward.ServePortForward(w, r, s, name(r), "", options, idleTimeout, creationTimeout,
		portforward.SupportedProtocols)
}

func name(r *http.Request) string { return r.PathValue("namespace") + "/" + r.PathValue("pod") }

// logs sends a container's output: previous, tailLines, follow.
func (s *server) logs(w http.ResponseWriter, r *http.Request) {
	p, err := s.pod(name(r))
	if err != nil {
		return // a pod of kwok's: it never said anything
	}
	query := r.URL.Query()
	path := logPath(p, r.PathValue("container"), query.Get("previous") == "true")
	file, err := os.Open(path)
	if err != nil {
		http.Error(w, fmt.Sprintf("container %q has no log yet", r.PathValue("container")), http.StatusBadRequest)
		return
	}
	defer file.Close()
	if lines, err := strconv.Atoi(query.Get("tailLines")); err == nil {
		skipToTail(file, lines)
	}
	for {
		_, _ = io.Copy(w, file)
		if query.Get("follow") != "true" || r.Context().Err() != nil {
			return
		}
		w.(http.Flusher).Flush()
		time.Sleep(followPause)
	}
}

// logPath finds CONTAINER-N.log with the highest N, or the one before.
func logPath(p *pod, of string, previous bool) string {
	found, _ := filepath.Glob(filepath.Join(p.Logs, of+"-*.log"))
	last := -1
	for _, path := range found {
		number := strings.TrimSuffix(path[strings.LastIndex(path, "-")+1:], ".log")
		if n, err := strconv.Atoi(number); err == nil && n > last {
			last = n
		}
	}
	if previous {
		last--
	}
	return filepath.Join(p.Logs, fmt.Sprintf("%s-%d.log", of, last))
}

func skipToTail(file *os.File, lines int) {
	data, _ := io.ReadAll(file)
	parts := strings.SplitAfter(string(data), "\n")
	if last := len(parts) - 1; last >= 0 && parts[last] == "" {
		parts = parts[:last]
	}
	keep := 0
	for i := len(parts) - 1; i >= 0 && lines > 0; i-- {
		keep += len(parts[i])
		lines--
	}
	_, _ = file.Seek(int64(len(data)-keep), io.SeekStart)
}

func main() {
	if len(os.Args) != 6 {
		log.Fatal("usage: streams FOLDER ADDRESS CERT KEY CLIENT-CA")
	}
	s := &server{folder: os.Args[1]}
	ca, err := os.ReadFile(os.Args[5])
	if err != nil {
		log.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	mux := http.NewServeMux()
	mux.HandleFunc("/exec/{namespace}/{pod}/{container}", s.exec)
	mux.HandleFunc("/portForward/{namespace}/{pod}", s.forward)
	mux.HandleFunc("/containerLogs/{namespace}/{pod}/{container}", s.logs)
	web := &http.Server{Addr: os.Args[2], Handler: mux, TLSConfig: &tls.Config{
		ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool, NextProtos: []string{"http/1.1"}}}
	log.Fatal(web.ListenAndServeTLS(os.Args[3], os.Args[4]))
}
