// The Python language host for a Pulumi CLI that was built from the Go module proxy.
//
// Pulumi's own is a Go module that no proxy serves. This one implements what this project needs: run
// programs with the SDK's executor, forward interrupts and exit statuses, and describe the
// environment. tests/engine compares it with Pulumi's own if that is on PATH.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/version"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
)

const (
	who = "opennebula-ha's stand-in for Pulumi's Python language host"
	// Exit status of a program that has reported its error itself.
	alreadyReported = 32
	// Time for running calls to end after the CLI has interrupted this process.
	grace = 5 * time.Second
	// Bytes, as in Pulumi's own plugins.
	largestMessage = 400 << 20
	checkInterval  = 200 * time.Millisecond

	describe = `import json, sys
from importlib import metadata
found = sorted((package.name, package.version) for package in metadata.distributions())
print(json.dumps([sys.executable, sys.version.split()[0], found]))`
)

type languageHost struct {
	pulumirpc.UnimplementedLanguageRuntimeServer
	lock     sync.Mutex
	engine   string
	programs map[*os.Process]bool
}

// Handshake accepts the address of an engine that did not start this process.
func (h *languageHost) Handshake(
	_ context.Context, request *pulumirpc.LanguageHandshakeRequest,
) (*pulumirpc.LanguageHandshakeResponse, error) {
	if request.EngineAddress != "" {
		h.engine = request.EngineAddress
	}
	return &pulumirpc.LanguageHandshakeResponse{}, nil
}

// GetPluginInfo returns the version of the SDK, whose executor runs the programs.
func (h *languageHost) GetPluginInfo(context.Context, *emptypb.Empty) (*pulumirpc.PluginInfo, error) {
	return &pulumirpc.PluginInfo{Version: strings.TrimPrefix(version.Version, "v")}, nil
}

// About returns the Python and its version.
func (h *languageHost) About(
	ctx context.Context, request *pulumirpc.AboutRequest,
) (*pulumirpc.AboutResponse, error) {
	python, number, _, err := installed(ctx, request.GetInfo())
	return &pulumirpc.AboutResponse{
		Executable: python,
		Version:    number,
		Metadata:   map[string]string{"toolchain": "pip", "language host": who},
	}, err
}

// GetRequiredPackages returns no plugin: the CLI looks for one when a resource needs it. It would
// look for those of all installed SDKs at each run, and try to download what it does not find. Where
// this host is used, that takes seconds and fails.
func (h *languageHost) GetRequiredPackages(
	context.Context, *pulumirpc.GetRequiredPackagesRequest,
) (*pulumirpc.GetRequiredPackagesResponse, error) {
	return &pulumirpc.GetRequiredPackagesResponse{}, nil
}

// GetProgramDependencies returns all installed packages.
func (h *languageHost) GetProgramDependencies(
	ctx context.Context, request *pulumirpc.GetProgramDependenciesRequest,
) (*pulumirpc.GetProgramDependenciesResponse, error) {
	_, _, packages, err := installed(ctx, request.GetInfo())
	found := &pulumirpc.GetProgramDependenciesResponse{}
	for _, one := range packages {
		dependency := &pulumirpc.DependencyInfo{Name: one[0], Version: one[1]}
		found.Dependencies = append(found.Dependencies, dependency)
	}
	return found, err
}

// RuntimeOptionsPrompts returns no options.
func (h *languageHost) RuntimeOptionsPrompts(
	context.Context, *pulumirpc.RuntimeOptionsRequest,
) (*pulumirpc.RuntimeOptionsResponse, error) {
	return &pulumirpc.RuntimeOptionsResponse{}, nil
}

// InstallDependencies installs nothing: the environment is make setup's.
func (h *languageHost) InstallDependencies(
	_ *pulumirpc.InstallDependenciesRequest, stream pulumirpc.LanguageRuntime_InstallDependenciesServer,
) error {
	text := "The Python environment is made by make setup, from requirements-dev.lock.\n"
	return stream.Send(&pulumirpc.InstallDependenciesResponse{Stdout: []byte(text)})
}

// Run runs the program and waits for its end.
func (h *languageHost) Run(
	ctx context.Context, request *pulumirpc.RunRequest,
) (*pulumirpc.RunResponse, error) {
	python, environment, err := pythonOf(request.GetInfo())
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	config, _ := json.Marshal(orEmpty(request.Config))
	secret, _ := json.Marshal(append([]string{}, request.ConfigSecretKeys...))
	// The SDK's script that runs a program; installed by scripts/install-pulumi.
	executor := filepath.Join(filepath.Dir(self), "pulumi-language-python-exec")
	command := exec.Command(python, append([]string{"-u", executor}, h.arguments(request)...)...)
	command.Env = append(
		environment, "PULUMI_CONFIG="+string(config), "PULUMI_CONFIG_SECRET_KEYS="+string(secret))
	command.Stdout, command.Stderr = os.Stdout, os.Stderr
	if err := h.start(ctx, command); err != nil {
		return nil, err
	}
	state := h.wait(command)
	answer := &pulumirpc.RunResponse{}
	ended, _ := state.Sys().(syscall.WaitStatus)
	switch {
	case ended.Signaled():
		answer.Error = fmt.Sprintf("program exited unexpectedly: signal: %v", ended.Signal())
	case state.ExitCode() == alreadyReported:
		answer.Bail = true
	case state.ExitCode() != 0:
		answer.Error = fmt.Sprintf("program exited with non-zero exit code: %d", state.ExitCode())
	}
	return answer, nil
}

// RunPlugin runs a policy pack or a component package in its own environment, and forwards its
// output. It prints its port first.
func (h *languageHost) RunPlugin(
	request *pulumirpc.RunPluginRequest, stream pulumirpc.LanguageRuntime_RunPluginServer,
) error {
	python, environment, err := pythonOf(request.GetInfo())
	if err != nil {
		return err
	}
	folder := request.GetInfo().GetProgramDirectory()
	words := append([]string{folder}, request.Args...)
	if request.Kind == "analyzer" {
		words = append(append([]string{"-m", "pulumi.policy"}, request.Args...), folder)
	}
	command := exec.Command(python, append([]string{"-u"}, words...)...)
	command.Env = append(environment, request.Env...)
	command.Dir = request.Pwd
	command.Stderr = os.Stderr
	output, err := command.StdoutPipe()
	if err != nil {
		return err
	}
	if err := h.start(stream.Context(), command); err != nil {
		return err
	}
	lines := bufio.NewReader(output)
	for err == nil {
		var line []byte
		if line, err = lines.ReadBytes('\n'); len(line) > 0 {
			part := &pulumirpc.RunPluginResponse_Stdout{Stdout: line}
			if failed := stream.Send(&pulumirpc.RunPluginResponse{Output: part}); failed != nil {
				break
			}
		}
	}
	code := max(h.wait(command).ExitCode(), 0)
	end := &pulumirpc.RunPluginResponse_Exitcode{Exitcode: int32(code)}
	return stream.Send(&pulumirpc.RunPluginResponse{Output: end})
}

// Cancel interrupts the programs, and kills those that do not end.
func (h *languageHost) Cancel(context.Context, *emptypb.Empty) (*emptypb.Empty, error) {
	for _, program := range h.running() {
		h.interrupt(program)
	}
	return &emptypb.Empty{}, nil
}

func (h *languageHost) arguments(request *pulumirpc.RunRequest) []string {
	given := [][2]string{
		{"monitor", request.MonitorAddress},
		{"engine", h.engine},
		{"project", request.Project},
		{"root_directory", request.GetInfo().GetRootDirectory()},
		{"stack", request.Stack},
		{"pwd", request.Pwd},
		{"dry_run", strconv.FormatBool(request.DryRun)},
		{"parallel", strconv.Itoa(int(request.Parallel))},
		{"organization", request.Organization},
	}
	var words []string
	for _, one := range given {
		if one[1] != "" {
			words = append(words, "--"+one[0], one[1])
		}
	}
	entry := request.GetInfo().GetEntryPoint()
	if entry == "" {
		entry = "."
	}
	return append(append(words, entry), request.Args...)
}

// start starts a program. If the engine cancels the call, nothing needs the program any more.
func (h *languageHost) start(ctx context.Context, command *exec.Cmd) error {
	if err := command.Start(); err != nil {
		return status.Error(codes.FailedPrecondition, err.Error())
	}
	h.lock.Lock()
	h.programs[command.Process] = true
	h.lock.Unlock()
	context.AfterFunc(ctx, func() { h.interrupt(command.Process) })
	return nil
}

func (h *languageHost) wait(command *exec.Cmd) *os.ProcessState {
	_ = command.Wait()
	h.lock.Lock()
	delete(h.programs, command.Process)
	h.lock.Unlock()
	return command.ProcessState
}

func (h *languageHost) running() []*os.Process {
	h.lock.Lock()
	defer h.lock.Unlock()
	var found []*os.Process
	for program := range h.programs {
		found = append(found, program)
	}
	return found
}

func (h *languageHost) interrupt(program *os.Process) {
	if program.Signal(os.Interrupt) == nil {
		time.AfterFunc(grace, func() { _ = program.Kill() })
	}
}

func (h *languageHost) kill() {
	for _, program := range h.running() {
		_ = program.Kill()
	}
}

// pythonOf returns the Python of a program's virtual environment, and the variables to run it with.
func pythonOf(info *pulumirpc.ProgramInfo) (string, []string, error) {
	environment := os.Environ()
	given := info.GetOptions().GetFields()["virtualenv"].GetStringValue()
	if given == "" {
		return "python3", environment, nil
	}
	folder := given
	if !filepath.IsAbs(folder) {
		folder = filepath.Join(info.GetRootDirectory(), folder)
	}
	bin := filepath.Join(folder, "bin")
	python := filepath.Join(bin, "python")
	if _, err := os.Stat(python); err != nil {
		text := "expected a Python environment, saw no %s: run make setup"
		return "", nil, status.Errorf(codes.FailedPrecondition, text, python)
	}
	path := bin + string(os.PathListSeparator) + os.Getenv("PATH")
	environment = append(environment, "VIRTUAL_ENV="+folder, "PATH="+path, "PYTHONHOME=")
	return python, environment, nil
}

// installed returns the Python of a program, its version, and its packages with their versions.
func installed(
	ctx context.Context, info *pulumirpc.ProgramInfo,
) (python, number string, packages [][2]string, err error) {
	python, environment, err := pythonOf(info)
	if err != nil {
		return
	}
	command := exec.CommandContext(ctx, python, "-c", describe)
	command.Env = environment
	output, err := command.Output()
	if err == nil {
		err = json.Unmarshal(output, &[]any{&python, &number, &packages})
	}
	return
}

func orEmpty(values map[string]string) map[string]string {
	if values == nil {
		return map[string]string{}
	}
	return values
}

// refusal names the call, if this host does not implement it.
func refusal(method string, err error) error {
	if status.Code(err) != codes.Unimplemented {
		return err
	}
	return status.Errorf(codes.Unimplemented, "%s does not do %s", who, filepath.Base(method))
}

func unary(
	ctx context.Context, request any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler,
) (any, error) {
	answer, err := handler(ctx, request)
	return answer, refusal(info.FullMethod, err)
}

func stream(
	server any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler,
) error {
	return refusal(info.FullMethod, handler(server, stream))
}

// endWithEngine ends this process when its parent ends, also if that is killed.
func endWithEngine(engine int, kill func()) {
	for os.Getppid() == engine {
		time.Sleep(checkInterval)
	}
	kill()
	os.Exit(1)
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "--version" {
		fmt.Println(strings.TrimPrefix(version.Version, "v"))
		return
	}
	engine := os.Getppid()
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, os.Interrupt, syscall.SIGTERM)
	host := &languageHost{engine: os.Args[len(os.Args)-1], programs: map[*os.Process]bool{}}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	server := grpc.NewServer(
		grpc.MaxRecvMsgSize(largestMessage), grpc.MaxSendMsgSize(largestMessage),
		grpc.UnaryInterceptor(unary), grpc.StreamInterceptor(stream),
	)
	pulumirpc.RegisterLanguageRuntimeServer(server, host)
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	go func() { _ = server.Serve(listener) }()
	go endWithEngine(engine, host.kill)
	<-ended
	time.AfterFunc(grace, server.Stop)
	server.GracefulStop()
	host.kill()
}
