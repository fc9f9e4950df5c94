package main

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/juju/clock"
	"github.com/juju/loggo"
	"github.com/juju/names/v5"

	"github.com/juju/juju/agent"
	"github.com/juju/juju/api"
	"github.com/juju/juju/api/agent/machiner"
	"github.com/juju/juju/api/agent/uniter"
	"github.com/juju/juju/api/base"
	coremigration "github.com/juju/juju/core/migration"
	"github.com/juju/juju/core/watcher"
	"github.com/juju/juju/internal/worker/fortress"
	"github.com/juju/juju/internal/worker/migrationminion"
	"github.com/juju/juju/version"
)

// With -minions real, the agents of two machines and of a unit are Juju's own migration minions. Each has an agent.conf of its own
// beside the state file, and looks for its model at the target by itself. Ours: how they hear of a phase, and their guard, which
// says on standard output when the agent's other workers would have stopped.

// realMinions is what -minions says for them.
const realMinions = "real"

// How many agents of each kind there are.
const machineMinionsMax, unitMinionsMax = 2, 1

// minion is an agent.
type minion struct {
	source *source
	tag    names.Tag
	mu     sync.Mutex
	conf   agent.ConfigSetterWriter
}

// reporters is what the minions have said, by phase, and who is to be told.
type reporters struct {
	mu       sync.Mutex
	minions  []*minion
	reports  map[coremigration.Phase]map[string]bool
	watchers map[*statusWatcher]bool
	reported map[*reportWatcher]bool
}

func newReporters() *reporters {
	return &reporters{
		reports:  map[coremigration.Phase]map[string]bool{},
		watchers: map[*statusWatcher]bool{}, reported: map[*reportWatcher]bool{},
	}
}

// statusWatcher tells a minion of phases; of those that come fast only the last.
type statusWatcher struct {
	of      *reporters
	changes chan watcher.MigrationStatus
	dead    chan struct{}
	kill    sync.Once
}

func (w *statusWatcher) Changes() <-chan watcher.MigrationStatus { return w.changes }
func (w *statusWatcher) Wait() error                             { <-w.dead; return nil }

func (w *statusWatcher) Kill() {
	w.kill.Do(func() {
		w.of.mu.Lock()
		defer w.of.mu.Unlock()
		delete(w.of.watchers, w)
		close(w.dead)
	})
}

func (w *statusWatcher) tell(status watcher.MigrationStatus) {
	select {
	case <-w.changes:
	default:
	}
	w.changes <- status
}

// reportWatcher tells the master that a minion has reported.
type reportWatcher struct {
	*once
	of *reporters
}

func (w *reportWatcher) Kill() {
	w.of.mu.Lock()
	delete(w.of.reported, w)
	w.of.mu.Unlock()
	w.once.Kill()
}

func (r *reporters) watchReports() watcher.NotifyWatcher {
	w := &reportWatcher{once: newOnce(), of: r}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reported[w] = true
	return w
}

// tell lets every minion know of the phase.
func (r *reporters) tell(status watcher.MigrationStatus) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if status.Phase == coremigration.QUIESCE {
		r.reports = map[coremigration.Phase]map[string]bool{}
	}
	for w := range r.watchers {
		w.tell(status)
	}
}

func (r *reporters) summary(id string, phase coremigration.Phase) coremigration.MinionReports {
	r.mu.Lock()
	defer r.mu.Unlock()
	reports := coremigration.MinionReports{MigrationId: id, Phase: phase}
	for _, m := range r.minions {
		success, reported := r.reports[phase][m.tag.String()]
		_, isUnit := m.tag.(names.UnitTag)
		switch {
		case !reported && isUnit:
			reports.UnknownCount++
			reports.SomeUnknownUnits = append(reports.SomeUnknownUnits, m.tag.Id())
		case !reported:
			reports.UnknownCount++
			reports.SomeUnknownMachines = append(reports.SomeUnknownMachines, m.tag.Id())
		case success:
			reports.SuccessCount++
		case isUnit:
			reports.FailedUnits = append(reports.FailedUnits, m.tag.Id())
		default:
			reports.FailedMachines = append(reports.FailedMachines, m.tag.Id())
		}
	}
	return reports
}

// Watch and Report are what a minion asks of its controller.

func (m *minion) Watch() (watcher.MigrationStatusWatcher, error) {
	r := m.source.reporters
	w := &statusWatcher{of: r, changes: make(chan watcher.MigrationStatus, 1), dead: make(chan struct{})}
	status := m.source.minionStatus()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.watchers[w] = true
	w.tell(status)
	return w, nil
}

func (m *minion) Report(_ string, phase coremigration.Phase, success bool) error {
	m.say(fmt.Sprintf("reports %s: %v", phase, success))
	r := m.source.reporters
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.reports[phase] == nil {
		r.reports[phase] = map[string]bool{}
	}
	r.reports[phase][m.tag.String()] = success
	for w := range r.reported {
		select {
		case w.changes <- struct{}{}:
		default:
		}
	}
	return nil
}

func (m *minion) say(text string) { say("minion", m.tag.String()+" "+text) }

// Lockdown and Unlock are its guard.

func (m *minion) Lockdown(fortress.Abort) error { m.say("stops its work"); return nil }
func (m *minion) Unlock() error                 { m.say("works"); return nil }

// CurrentConfig and ChangeConfig are its agent.

func (m *minion) CurrentConfig() agent.Config {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.conf.Clone()
}

func (m *minion) ChangeConfig(change agent.ConfigMutator) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := change(m.conf); err != nil {
		return err
	}
	if err := m.conf.Write(); err != nil {
		return err
	}
	addresses, err := m.conf.APIAddresses()
	m.say(fmt.Sprintf("knows %v", addresses))
	return err
}

// validate is what an agent looks for at the target before it reports success.
func (m *minion) validate(caller base.APICaller) error {
	switch tag := m.tag.(type) {
	case names.MachineTag:
		_, err := machiner.NewState(caller).Machine(tag)
		return err
	case names.UnitTag:
		state := uniter.NewState(caller, tag)
		if _, err := state.Unit(tag); err != nil {
			return err
		}
		_, err := state.Model()
		return err
	}
	return fmt.Errorf("%s has nothing to look for", m.tag)
}

// run runs the minion, and runs it again when it has ended, as an agent does.
func (m *minion) run() {
	for {
		w, err := migrationminion.New(migrationminion.Config{
			Agent: m, Facade: m, Guard: m, Clock: clock.WallClock, APIOpen: api.Open, ValidateMigration: m.validate,
			NewFacade: func(base.APICaller) (migrationminion.Facade, error) { return m, nil },
			Logger:    loggo.GetLogger("minion." + m.tag.String()), ApplyJitter: true,
		})
		if err == nil {
			err = w.Wait()
		}
		m.say(fmt.Sprintf("ends: %v", err))
		time.Sleep(*retry)
	}
}

// beginMinions makes the minions, and lets them run.
func (s *source) beginMinions() error {
	ca, err := os.ReadFile(*caFile)
	if err != nil {
		return err
	}
	add := func(tag names.Tag, nonce string) error {
		paths := agent.DefaultPaths
		paths.DataDir = filepath.Join(filepath.Dir(*stateFile), "agents")
		path := agent.ConfigPath(paths.DataDir, tag)
		conf, err := agent.ReadConfig(path)
		if err != nil {
			conf, err = agent.NewAgentConfig(agent.AgentConfigParams{
				Paths: paths, Tag: tag, Password: fmt.Sprintf("password-of-%s-0123456789", tag), Nonce: nonce,
				Controller: names.NewControllerTag(controllerUUID), Model: s.model.Tag(), UpgradedToVersion: version.Current,
				APIAddresses: []string{*serve}, CACert: string(ca),
			})
			if err == nil {
				err = conf.Write()
			}
		}
		if err != nil {
			return err
		}
		s.reporters.minions = append(s.reporters.minions, &minion{source: s, tag: tag, conf: conf})
		return nil
	}
	for _, machine := range s.model.Machines()[:min(machineMinionsMax, len(s.model.Machines()))] {
		if err := add(machine.Tag(), machine.Nonce()); err != nil {
			return err
		}
	}
	units := 0
	for _, application := range s.model.Applications() {
		for _, unit := range application.Units() {
			if units == unitMinionsMax {
				break
			}
			units++
			if err := add(unit.Tag(), ""); err != nil {
				return err
			}
		}
	}
	for _, m := range s.reporters.minions {
		go m.run()
	}
	return nil
}

func (s *source) minionStatus() watcher.MigrationStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.minionStatusLocked()
}

func (s *source) minionStatusLocked() watcher.MigrationStatus {
	phase, _ := coremigration.ParsePhase(s.state.Phase)
	return watcher.MigrationStatus{
		MigrationId: s.state.ID, Attempt: s.state.Attempt, Phase: phase,
		SourceAPIAddrs: []string{*serve}, TargetAPIAddrs: s.target.Addrs, TargetCACert: s.target.CACert,
	}
}
