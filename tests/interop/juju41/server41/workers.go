package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"time"

	"github.com/juju/clock"
	"github.com/juju/errors"
	"github.com/juju/names/v6"
	"github.com/juju/worker/v5"
	"github.com/juju/worker/v5/dependency"
	"gopkg.in/tomb.v2"

	coreagentbinary "github.com/juju/juju/core/agentbinary"
	corearch "github.com/juju/juju/core/arch"
	coremigration "github.com/juju/juju/core/migration"
	coremodel "github.com/juju/juju/core/model"
	"github.com/juju/juju/core/semversion"
	corestatus "github.com/juju/juju/core/status"
	"github.com/juju/juju/core/trace"
	agentbinaryerrors "github.com/juju/juju/domain/agentbinary/errors"
	agentbinaryservice "github.com/juju/juju/domain/agentbinary/service"
	"github.com/juju/juju/internal/services"
	internalworker "github.com/juju/juju/internal/worker"
	"github.com/juju/juju/internal/worker/fortress"
	"github.com/juju/juju/internal/worker/leaseexpiry"
	"github.com/juju/juju/internal/worker/migrationmaster"
	"github.com/juju/juju/internal/worker/removal"
	"github.com/juju/juju/internal/worker/undertaker"
)

// controllerWorkers starts the controller-wide workers that clean up: expired
// leases and dead models (the end of an Abort).
func controllerWorkers(dbs *databases, getter services.DomainServicesGetter, ctl services.DomainServices) ([]worker.Worker, error) {
	expiry, err := leaseexpiry.NewWorker(leaseexpiry.Config{
		Clock: clock.WallClock, Logger: logger("juju.leaseexpiry"),
		Store:  leaseexpiry.NewStore(dbs, logger("juju.leaseexpiry")),
		Tracer: trace.NoopTracer{},
	})
	if err != nil {
		return nil, errors.Trace(err)
	}
	graves, err := undertaker.NewWorker(undertaker.Config{
		DBDeleter: dbs, ControllerModelService: ctl.Model(), RemovalServiceGetter: removals{getter},
		Logger: logger("juju.undertaker"), Clock: clock.WallClock,
	})
	return []worker.Worker{expiry, graves}, errors.Trace(err)
}

type removals struct{ services.DomainServicesGetter }

func (r removals) GetRemovalService(ctx context.Context, uuid coremodel.UUID) (undertaker.RemovalService, error) {
	svc, err := r.ServicesForModel(ctx, uuid)
	if err != nil {
		return nil, errors.Trace(err)
	}
	return modelRemoval{svc, uuid}, nil
}

type modelRemoval struct {
	svc  services.DomainServices
	uuid coremodel.UUID
}

func (m modelRemoval) DeleteModel(ctx context.Context) error {
	return m.svc.Removal().DeleteModel(ctx, m.uuid)
}

// runModels starts, for each active model, a dependency engine with Juju's own
// removal worker and, with -masters, its fortress and migrationmaster.
func runModels(ctx context.Context, getter services.DomainServicesGetter, ctl services.DomainServices, logDir string) {
	log := logger("server41.models")
	engines := map[coremodel.UUID]worker.Worker{}
	for {
		models, err := ctl.Model().GetAllModels(ctx)
		if err != nil && ctx.Err() == nil {
			log.Errorf(ctx, "listing models: %v", err)
		}
		alive := map[coremodel.UUID]bool{}
		for _, m := range models {
			alive[m.UUID] = true
			if engines[m.UUID] != nil || m.Name == coremodel.ControllerModelName {
				continue
			}
			engine, err := startModel(ctx, getter, m.UUID, logDir)
			if err != nil {
				log.Errorf(ctx, "starting engine for %s: %v", m.UUID, err)
				continue
			}
			engines[m.UUID] = engine
			if *agents || *minions {
				go answerForAgents(ctx, getter, m.UUID)
			}
		}
		for uuid, e := range engines {
			if err == nil && !alive[uuid] {
				e.Kill()
				_ = e.Wait()
				delete(engines, uuid)
			}
		}
		select {
		case <-ctx.Done():
			for _, e := range engines {
				e.Kill()
				_ = e.Wait()
			}
			return
		case <-time.After(time.Second):
		}
	}
}

// holder makes a value available to manifolds.
type holder struct {
	tomb  tomb.Tomb
	value services.DomainServices
}

func (h *holder) Kill()       { h.tomb.Kill(nil) }
func (h *holder) Wait() error { return h.tomb.Wait() }

func startModel(ctx context.Context, getter services.DomainServicesGetter, uuid coremodel.UUID, logDir string) (worker.Worker, error) {
	engine, err := dependency.NewEngine(dependency.EngineConfig{
		IsFatal:          func(error) bool { return false },
		WorstError:       func(a, _ error) error { return a },
		Filter:           func(err error) error { return err },
		ErrorDelay:       time.Second,
		BounceDelay:      10 * time.Millisecond,
		BackoffFactor:    1,
		BackoffResetTime: time.Minute,
		MaxDelay:         5 * time.Second,
		Clock:            clock.WallClock,
		Metrics:          dependency.DefaultMetrics(),
		Logger:           internalworker.WrapLogger(logger("server41.engine")),
	})
	if err != nil {
		return nil, errors.Trace(err)
	}
	manifolds := dependency.Manifolds{
		"domain-services": {
			Start: func(ctx context.Context, _ dependency.Getter) (worker.Worker, error) {
				svc, err := getter.ServicesForModel(ctx, uuid)
				if err != nil {
					return nil, errors.Trace(err)
				}
				h := &holder{value: svc}
				h.tomb.Go(func() error { <-h.tomb.Dying(); return tomb.ErrDying })
				return h, nil
			},
			Output: func(in worker.Worker, out any) error {
				switch out := out.(type) {
				case *services.DomainServices:
					*out = in.(*holder).value
				case *services.ModelDomainServices:
					*out = in.(*holder).value
				default:
					return errors.NotSupportedf("output %T", out)
				}
				return nil
			},
		},
		"removal": removal.Manifold(removal.ManifoldConfig{
			DomainServicesName: "domain-services", GetRemovalService: removal.GetRemovalService,
			NewWorker: removal.NewWorker, Clock: clock.WallClock, Logger: logger("juju.removal"),
		}),
	}
	if *masters {
		manifolds["fortress"] = fortress.Manifold()
		manifolds["migration-master"] = migrationmaster.Manifold(migrationmaster.ManifoldConfig{
			DomainServicesName:   "domain-services",
			DomainServicesGetter: getter,
			FortressName:         "fortress",
			ModelUUID:            uuid.String(),
			LogDir:               logDir,
			Clock:                clock.WallClock,
			NewWorker:            newMaster,
		})
	}
	if err := dependency.Install(engine, manifolds); err != nil {
		engine.Kill()
		return nil, errors.Trace(err)
	}
	return engine, nil
}

// answerForAgents stands in for the agents of a model: -agents makes them look
// alive and up to date, -minions lets them report success to a migration.
func answerForAgents(ctx context.Context, getter services.DomainServicesGetter, uuid coremodel.UUID) {
	log := logger("server41.agents")
	for ctx.Err() == nil {
		time.Sleep(300 * time.Millisecond)
		svc, err := getter.ServicesForModel(ctx, uuid)
		if err != nil {
			return
		}
		mig, err := svc.ModelMigration().Migration(ctx)
		if err != nil {
			log.Debugf(ctx, "migration of %s: %v", uuid, err)
			return
		}
		if mig.Phase == coremigration.NONE || mig.Phase.IsTerminal() {
			if err := agentsAlive(ctx, svc); err != nil {
				log.Warningf(ctx, "agents of %s: %v", uuid, err)
			}
			continue
		}
		switch mig.Phase {
		case coremigration.QUIESCE, coremigration.VALIDATION, coremigration.SUCCESS:
		default:
			continue
		}
		if !*minions {
			continue
		}
		reports, err := svc.ModelMigration().MinionReports(ctx)
		if err != nil {
			log.Warningf(ctx, "minion reports of %s: %v", uuid, err)
			continue
		}
		log.Infof(ctx, "phase %v: %+v", mig.Phase, reports)
		var keys []string
		for _, id := range reports.SomeUnknownMachines {
			keys = append(keys, names.NewMachineTag(id).String())
		}
		for _, id := range reports.SomeUnknownUnits {
			keys = append(keys, names.NewUnitTag(id).String())
		}
		for _, id := range reports.SomeUnknownApplications {
			keys = append(keys, names.NewApplicationTag(id).String())
		}
		for _, key := range keys {
			if err := svc.ModelMigration().ReportMinion(ctx, key, mig.Phase, true); err != nil {
				log.Warningf(ctx, "report of %s: %v", key, err)
			}
		}
	}
}

// agentsAlive does what upgraded, connected agents do: each reports to run the
// model's target version and a good status. (A model imported from 3.6 has a
// higher target version than its agents, and is refused by the source
// prechecks until they follow.)
func agentsAlive(ctx context.Context, svc services.DomainServices) error {
	target, err := svc.Agent().GetModelTargetAgentVersion(ctx)
	if err != nil {
		return errors.Trace(err)
	}
	version := coreagentbinary.Version{Number: target, Arch: corearch.AMD64}
	if err := seedAgentBinary(ctx, svc.AgentBinaryStore(), target); err != nil &&
		!errors.Is(err, agentbinaryerrors.AlreadyExists) {
		return errors.Annotate(err, "agent binary")
	}
	machines, err := svc.Agent().GetMachinesNotAtTargetAgentVersion(ctx)
	if err != nil {
		return errors.Trace(err)
	}
	now := time.Now()
	for _, name := range machines {
		if err := svc.Agent().SetMachineReportedAgentVersion(ctx, name, version); err != nil {
			return errors.Annotatef(err, "machine %s", name)
		}
		if err := svc.Status().SetMachineStatus(ctx, name, corestatus.StatusInfo{Status: corestatus.Started, Since: &now}); err != nil {
			return errors.Annotatef(err, "machine %s", name)
		}
		if err := svc.Status().SetInstanceStatus(ctx, name, corestatus.StatusInfo{Status: corestatus.Running, Since: &now}); err != nil {
			return errors.Annotatef(err, "machine %s", name)
		}
		if err := svc.Status().SetMachinePresence(ctx, name); err != nil {
			return errors.Annotatef(err, "machine %s", name)
		}
	}
	units, err := svc.Agent().GetUnitsNotAtTargetAgentVersion(ctx)
	if err != nil {
		return errors.Trace(err)
	}
	for _, name := range units {
		if err := svc.Agent().SetUnitReportedAgentVersion(ctx, name, version); err != nil {
			return errors.Annotatef(err, "unit %s", name)
		}
		if err := svc.Status().SetUnitAgentStatus(ctx, name, corestatus.StatusInfo{Status: corestatus.Idle, Since: &now}); err != nil {
			return errors.Annotatef(err, "unit %s", name)
		}
		if err := svc.Status().SetUnitWorkloadStatus(ctx, name, corestatus.StatusInfo{Status: corestatus.Active, Since: &now}); err != nil {
			return errors.Annotatef(err, "unit %s", name)
		}
		if err := svc.Status().SetUnitPresence(ctx, name); err != nil {
			return errors.Annotatef(err, "unit %s", name)
		}
	}
	return nil
}

// seedAgentBinary puts a made-up agent binary into a store.
func seedAgentBinary(ctx context.Context, store *agentbinaryservice.AgentBinaryStore, v semversion.Number) error {
	blob := []byte("not an agent " + v.String())
	sum := sha256.Sum256(blob)
	return errors.Trace(store.AddAgentBinaryWithSHA256(ctx, bytes.NewReader(blob),
		coreagentbinary.Version{Number: v, Arch: corearch.AMD64}, int64(len(blob)), hex.EncodeToString(sum[:])))
}
