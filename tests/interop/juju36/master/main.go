// Command master runs Juju 3.6.11's real migration master, its real uploads and its real log transfer against a migration
// target. Only what surrounds the master is ours: the model is a description file with its binaries in a folder, the
// machines' agents report what a flag says, and the phase is kept in a file, so that a killed master goes on where it was.
//
//	master -model model.yaml -blobs blobs -target target.json -state state.json
//
// target.json holds the `target-info` that `InitiateMigration` would have been given. Each phase and each status message is
// one line of JSON on standard output.
//
//	master -serve 127.0.0.1:0 -ca ca.pem -password PW -model model.yaml -blobs blobs -state state.json
//
// is a source controller, which runs the master when it is asked to migrate its model. Exit status: 0 after DONE, 3 after ABORTDONE, 1 when the program itself failed.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/juju/charm/v12/resource"
	"github.com/juju/clock"
	"github.com/juju/description/v9"
	"github.com/juju/loggo"
	"github.com/juju/names/v5"
	"github.com/juju/version/v2"

	"github.com/juju/juju/api/common"
	coremigration "github.com/juju/juju/core/migration"
	"github.com/juju/juju/core/resources"
	"github.com/juju/juju/core/watcher"
	"github.com/juju/juju/internal/worker/fortress"
	"github.com/juju/juju/internal/worker/migrationmaster"
	"github.com/juju/juju/migration"
	"github.com/juju/juju/rpc/params"
)

var (
	modelFile  = flag.String("model", "model.yaml", "the model's description")
	blobs      = flag.String("blobs", "blobs", "folder with charms/, tools/, resources/ and logs/")
	targetFile = flag.String("target", "target.json", "the target-info")
	stateFile  = flag.String("state", "state.json", "where the phase is kept")
	minions    = flag.String("minions", "ok", "what the agents report: ok, fail-PHASE or silent-PHASE; blind is ok without looking for the target; with -serve, real runs Juju's own minions")
	wait       = flag.Duration("wait", 20*time.Second, "how long the master waits for its agents")
	retry      = flag.Duration("retry", 3*time.Second, "pause before a master that failed is started again")
	serve      = flag.String("serve", "", "address of the source controller's API; without it the master begins at once")
	caFile     = flag.String("ca", "ca.pem", "with -serve: where the controller's CA is written")
	password   = flag.String("password", "", "with -serve: what its users log in with")
	lose       = flag.String("lose", "", "the method of the target of which the first reply is lost")
	logSpec    = flag.String("log", "<root>=WARNING", "loggo specification")
)

// state is what a source controller's database would hold of the migration.
type state struct {
	ID      string
	Phase   string
	Since   time.Time
	Message string
	Began   time.Time
	Attempt int
	Target  params.MigrationTargetInfo
}

type source struct {
	mu     sync.Mutex
	state  state
	model  description.Model
	bytes  []byte
	target coremigration.TargetInfo
	// reporters are the agents, where they are Juju's own.
	reporters *reporters
}

func say(event, text string) {
	line, _ := json.Marshal(map[string]string{"event": event, "text": text, "at": time.Now().UTC().Format(time.RFC3339Nano)})
	fmt.Println(string(line))
}

func fatal(err error) {
	fmt.Fprintln(os.Stderr, "master:", err)
	os.Exit(1)
}

func main() {
	flag.Parse()
	if err := loggo.ConfigureLoggers(*logSpec); err != nil {
		fatal(err)
	}
	s, err := load()
	if err != nil {
		fatal(err)
	}
	if *serve != "" {
		fatal(serveController(s))
	}
	for {
		err := s.runMaster()
		say("master", fmt.Sprint(err))
		switch s.phase() {
		case coremigration.DONE:
			return
		case coremigration.ABORTDONE:
			os.Exit(3)
		case coremigration.REAPFAILED:
			os.Exit(4)
		}
		time.Sleep(*retry)
	}
}

func load() (*source, error) {
	bytes, err := os.ReadFile(*modelFile)
	if err != nil {
		return nil, err
	}
	model, err := description.Deserialize(bytes)
	if err != nil {
		return nil, err
	}
	s := &source{model: model, bytes: bytes, reporters: newReporters()}
	kept, err := os.ReadFile(*stateFile)
	if err == nil {
		if err := json.Unmarshal(kept, &s.state); err != nil {
			return nil, err
		}
	}
	if *serve != "" {
		if err != nil {
			s.state = state{Phase: coremigration.NONE.String()}
		} else if s.state.Phase != coremigration.NONE.String() {
			s.target, err = targetOf(s.state.Target)
			return s, err
		}
		return s, nil
	}
	if s.target, err = readTarget(*targetFile); err != nil {
		return nil, err
	}
	if kept != nil {
		return s, nil
	}
	s.state = state{ID: model.Tag().Id() + ":0", Phase: coremigration.QUIESCE.String(), Since: time.Now()}
	return s, s.keep()
}

func readTarget(path string) (coremigration.TargetInfo, error) {
	var info params.MigrationTargetInfo
	bytes, err := os.ReadFile(path)
	if err != nil {
		return coremigration.TargetInfo{}, err
	}
	if err := json.Unmarshal(bytes, &info); err != nil {
		return coremigration.TargetInfo{}, err
	}
	return targetOf(info)
}

func targetOf(info params.MigrationTargetInfo) (coremigration.TargetInfo, error) {
	controller, err := names.ParseControllerTag(info.ControllerTag)
	if err != nil {
		return coremigration.TargetInfo{}, err
	}
	user, err := names.ParseUserTag(info.AuthTag)
	if err != nil {
		return coremigration.TargetInfo{}, err
	}
	target := coremigration.TargetInfo{
		ControllerTag:   controller,
		ControllerAlias: info.ControllerAlias,
		Addrs:           info.Addrs,
		CACert:          info.CACert,
		AuthTag:         user,
		Password:        info.Password,
		Token:           info.Token,
		SkipUserChecks:  info.SkipUserChecks,
	}
	return target, target.Validate()
}

func (s *source) runMaster() error {
	w, err := migrationmaster.New(migrationmaster.Config{
		ModelUUID:       s.model.Tag().Id(),
		Facade:          s,
		Guard:           noGuard{},
		APIOpen:         openLossy,
		UploadBinaries:  migration.UploadBinaries,
		CharmDownloader: s,
		ToolsDownloader: s,
		Clock:           clock.WallClock,
	})
	if err != nil {
		return err
	}
	return w.Wait()
}

func (s *source) phase() coremigration.Phase {
	s.mu.Lock()
	defer s.mu.Unlock()
	phase, _ := coremigration.ParsePhase(s.state.Phase)
	return phase
}

// keep writes the state so that a kill leaves either the old or the new one.
func (s *source) keep() error {
	bytes, err := json.Marshal(s.state)
	if err != nil {
		return err
	}
	temporary := *stateFile + ".new"
	if err := os.WriteFile(temporary, bytes, 0o600); err != nil {
		return err
	}
	return os.Rename(temporary, *stateFile)
}

// noGuard lets the master in at once: no other worker uses the model.
type noGuard struct{}

func (noGuard) Unlock() error                 { return nil }
func (noGuard) Lockdown(fortress.Abort) error { return nil }

// once is a watcher that reports one change and then nothing.
type once struct {
	changes chan struct{}
	dead    chan struct{}
	kill    sync.Once
}

func newOnce() *once {
	w := &once{changes: make(chan struct{}, 1), dead: make(chan struct{})}
	w.changes <- struct{}{}
	return w
}

func (w *once) Changes() watcher.NotifyChannel { return w.changes }
func (w *once) Kill()                          { w.kill.Do(func() { close(w.dead) }) }
func (w *once) Wait() error                    { <-w.dead; return nil }

// The methods below are what the master asks of its own controller.

func (s *source) Watch() (watcher.NotifyWatcher, error)       { return newOnce(), nil }
func (s *source) MinionReportTimeout() (time.Duration, error) { return *wait, nil }
func (s *source) Prechecks() error                            { return nil }
func (s *source) ProcessRelations(string) error               { return nil }

func (s *source) WatchMinionReports() (watcher.NotifyWatcher, error) {
	return s.reporters.watchReports(), nil
}

func (s *source) MigrationStatus() (coremigration.MigrationStatus, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	phase, ok := coremigration.ParsePhase(s.state.Phase)
	if !ok {
		return coremigration.MigrationStatus{}, fmt.Errorf("unknown phase %q in %s", s.state.Phase, *stateFile)
	}
	return coremigration.MigrationStatus{
		MigrationId: s.state.ID, ModelUUID: s.model.Tag().Id(), Phase: phase, PhaseChangedTime: s.state.Since, TargetInfo: s.target,
	}, nil
}

func (s *source) SetPhase(phase coremigration.Phase) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.Phase, s.state.Since = phase.String(), time.Now()
	say("phase", phase.String())
	if err := s.keep(); err != nil {
		return err
	}
	s.reporters.tell(s.minionStatusLocked())
	return nil
}

func (s *source) SetStatusMessage(message string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.Message = message
	say("status", message)
	return s.keep()
}

func (s *source) Reap() error { return s.SetPhase(coremigration.DONE) }

func (s *source) ModelInfo() (coremigration.ModelInfo, error) {
	config := s.model.Config()
	name, _ := config["name"].(string)
	agent, err := version.Parse(fmt.Sprint(config["agent-version"]))
	if err != nil {
		return coremigration.ModelInfo{}, err
	}
	return coremigration.ModelInfo{
		UUID: s.model.Tag().Id(), Owner: s.model.Owner(), Name: name,
		AgentVersion: agent, ControllerAgentVersion: agent, ModelDescription: s.model,
	}, nil
}

func (s *source) SourceControllerInfo() (coremigration.SourceControllerInfo, []string, error) {
	return coremigration.SourceControllerInfo{
		ControllerTag:   names.NewControllerTag("0f6e2d3c-52c1-4b0e-8a5e-7d9f1c2b3a4d"),
		ControllerAlias: "source36",
		Addrs:           []string{"127.0.0.1:17070"},
		CACert:          s.target.CACert,
	}, nil, nil
}

func (s *source) MinionReports() (coremigration.MinionReports, error) {
	if *minions == realMinions {
		status := s.minionStatus()
		return s.reporters.summary(status.MigrationId, status.Phase), nil
	}
	var failed map[string]bool
	if *serve != "" && *minions == "ok" && s.phase() == coremigration.VALIDATION {
		failed = s.validate()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	phase, _ := coremigration.ParsePhase(s.state.Phase)
	reports := coremigration.MinionReports{MigrationId: s.state.ID, Phase: phase}
	what, when, named := strings.Cut(*minions, "-")
	if !named || when != s.state.Phase {
		what = "ok"
	}
	for _, machine := range s.model.Machines() {
		if what == "ok" && failed[machine.Id()] {
			reports.FailedMachines = append(reports.FailedMachines, machine.Id())
			continue
		}
		switch what {
		case "fail":
			reports.FailedMachines = append(reports.FailedMachines, machine.Id())
		case "silent":
			reports.UnknownCount++
			reports.SomeUnknownMachines = append(reports.SomeUnknownMachines, machine.Id())
		default:
			reports.SuccessCount++
		}
	}
	return reports, nil
}

func (s *source) Export() (coremigration.SerializedModel, error) {
	model := coremigration.SerializedModel{Bytes: s.bytes, Tools: map[version.Binary]string{}}
	charms := map[string]bool{}
	for _, application := range s.model.Applications() {
		if !charms[application.CharmURL()] {
			charms[application.CharmURL()] = true
			model.Charms = append(model.Charms, application.CharmURL())
		}
		for _, unit := range application.Units() {
			if tools := unit.Tools(); tools != nil {
				model.Tools[tools.Version()] = "/tools/" + tools.Version().String()
			}
		}
		for _, res := range application.Resources() {
			serialized, err := serialize(application, res)
			if err != nil {
				return model, err
			}
			model.Resources = append(model.Resources, serialized)
		}
	}
	var machines func([]description.Machine)
	machines = func(list []description.Machine) {
		for _, machine := range list {
			if tools := machine.Tools(); tools != nil {
				model.Tools[tools.Version()] = "/tools/" + tools.Version().String()
			}
			machines(machine.Containers())
		}
	}
	machines(s.model.Machines())
	return model, nil
}

func serialize(application description.Application, res description.Resource) (coremigration.SerializedModelResource, error) {
	revision, err := revisionOf(application.Name(), res.Name(), res.ApplicationRevision())
	if err != nil {
		return coremigration.SerializedModelResource{}, err
	}
	out := coremigration.SerializedModelResource{ApplicationRevision: revision, UnitRevisions: map[string]resources.Resource{}}
	for _, unit := range application.Units() {
		for _, used := range unit.Resources() {
			if used.Name() != res.Name() {
				continue
			}
			if out.UnitRevisions[unit.Name()], err = revisionOf(application.Name(), res.Name(), used.Revision()); err != nil {
				return out, err
			}
		}
	}
	return out, nil
}

func revisionOf(application, name string, revision description.ResourceRevision) (resources.Resource, error) {
	out := resources.Resource{ApplicationID: application}
	out.Name = name
	if revision == nil {
		return out, nil
	}
	kind, err := resource.ParseType(revision.Type())
	if err != nil {
		return out, err
	}
	origin, err := resource.ParseOrigin(revision.Origin())
	if err != nil {
		return out, err
	}
	if revision.FingerprintHex() != "" {
		if out.Fingerprint, err = resource.ParseFingerprint(revision.FingerprintHex()); err != nil {
			return out, err
		}
	}
	out.Type, out.Path, out.Description = kind, revision.Path(), revision.Description()
	out.Origin, out.Revision, out.Size = origin, revision.Revision(), revision.Size()
	out.Username, out.Timestamp = revision.Username(), revision.Timestamp()
	return out, nil
}

func (s *source) OpenCharm(charmURL string) (io.ReadCloser, error) {
	return os.Open(filepath.Join(*blobs, "charms", strings.ReplaceAll(charmURL, "/", "_")))
}

func (s *source) OpenURI(uri string, _ url.Values) (io.ReadCloser, error) {
	return os.Open(filepath.Join(*blobs, filepath.FromSlash(uri)))
}

func (s *source) OpenResource(application, name string) (io.ReadCloser, error) {
	return os.Open(filepath.Join(*blobs, "resources", application, name))
}

// StreamModelLog yields the lines of logs/*.log whose time is at or after start. A line begins with an RFC 3339 time.
func (s *source) StreamModelLog(ctx context.Context, start time.Time) (<-chan common.LogMessage, error) {
	files, err := filepath.Glob(filepath.Join(*blobs, "logs", "*.log"))
	if err != nil {
		return nil, err
	}
	out := make(chan common.LogMessage)
	go func() {
		defer close(out)
		for _, path := range files {
			if err := streamFile(ctx, path, start, out); err != nil {
				say("log", err.Error())
				return
			}
		}
	}()
	return out, nil
}

func streamFile(ctx context.Context, path string, start time.Time, out chan<- common.LogMessage) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		stamp, text, _ := strings.Cut(lines.Text(), " ")
		at, err := time.Parse(time.RFC3339Nano, stamp)
		if err != nil || at.Before(start) {
			continue
		}
		message := common.LogMessage{
			Entity: "machine-0", Timestamp: at, Severity: "INFO", Module: "juju.interop", Location: "log.go:1", Message: text,
		}
		select {
		case out <- message:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return lines.Err()
}
