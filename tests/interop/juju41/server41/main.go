// Command server41 runs Juju 4.1's own API server over plain SQLite files: without dqlite, without a cloud, without agents.
//
//	server41 -dir DIR [-listen 127.0.0.1:0] [-name west]
//	         [-cloud name:type:region]... [-user name:password]...
//	         [-address localhost] [-agent-ratelimit 1:2s]
//	         [-known model.yaml]... [-masters [-lose METHOD]] [-agents|-minions] [-missing-instance ID]
//
// Once it listens it prints one line of JSON (address, CA file, controller UUID, user, password) to standard output, and serves
// until SIGINT or SIGTERM. DIR survives a kill: the next start on it has the same controller, models and binaries.
//
// Juju's own: the API server with all of its facades, logins, TLS, /migrate/*, the domain services and their schemas, the change
// stream, leases, the object store, the undertaker and the removal worker; with -masters the migration master. Ours: the opener
// of SQLite files in the place of dqlite's, a cloud in which every instance exists and every call succeeds, the log's file, and
// the answers of agents that do not exist (-agents, -minions).
package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/juju/clock"
	"github.com/juju/errors"
	"github.com/juju/loggo/v3"
	"github.com/juju/names/v6"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/juju/juju/apiserver"
	"github.com/juju/juju/apiserver/apiserverhttp"
	"github.com/juju/juju/apiserver/authentication"
	"github.com/juju/juju/apiserver/observer"
	"github.com/juju/juju/apiserver/stateauthenticator"
	"github.com/juju/juju/core/auditlog"
	"github.com/juju/juju/core/flightrecorder"
	corelogger "github.com/juju/juju/core/logger"
	coremodel "github.com/juju/juju/core/model"
	"github.com/juju/juju/core/trace"
	internallease "github.com/juju/juju/internal/lease"
	internallogger "github.com/juju/juju/internal/logger"
	"github.com/juju/juju/internal/services"
	sshimporter "github.com/juju/juju/internal/ssh/importer"
	"github.com/juju/juju/internal/worker/domainservices"
	"github.com/juju/juju/internal/worker/lease"
	"github.com/juju/juju/internal/worker/watcherregistry"
)

type listFlag []string

func (l *listFlag) String() string     { return strings.Join(*l, ",") }
func (l *listFlag) Set(s string) error { *l = append(*l, s); return nil }

var (
	dir        = flag.String("dir", "", "state directory (kept)")
	listen     = flag.String("listen", "127.0.0.1:0", "address to listen on")
	name       = flag.String("name", "west", "controller name")
	address    = flag.String("address", "127.0.0.1", "host at which its API is, as others are told: localhost, where agents are to keep it")
	rateLimit  = flag.String("agent-ratelimit", "", "MAX:RATE, how many agents may log in at once, and then one in each RATE")
	password   = flag.String("password", "dummy-secret", "password of user admin")
	logSpec    = flag.String("log", "<root>=WARNING", "loggo specification, to stderr")
	masters    = flag.Bool("masters", false, "run the real migrationmaster worker for every model")
	agents     = flag.Bool("agents", false, "let the agents of all models look alive and up to date")
	minions    = flag.Bool("minions", false, "-agents, which also report success in every migration phase")
	missing    = flag.String("missing-instance", "", "instance id the cloud claims not to know")
	lose       = flag.String("lose", "", "with -masters: the method of the target of which the first reply is lost")
	slowAdopt  = flag.Duration("slow-adopt", 0, "delay of the cloud's AdoptResources")
	failAdopt  = flag.Int("fail-adopt", 0, "let the cloud's first N AdoptResources fail")
	cloudFlags listFlag
	userFlags  listFlag
	knownFlags listFlag
)

func main() {
	flag.Var(&cloudFlags, "cloud", "extra cloud name:type:region (repeatable)")
	flag.Var(&userFlags, "user", "extra user name:password (repeatable)")
	flag.Var(&knownFlags, "known", "model description whose Kubernetes volumes exist in the cloud (repeatable)")
	flag.Parse()
	if *dir == "" {
		fmt.Fprintln(os.Stderr, "server41: -dir is needed")
		os.Exit(2)
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "server41:", errors.ErrorStack(err))
		os.Exit(1)
	}
}

func logger(name string) corelogger.Logger { return internallogger.GetLogger(name) }

func run() error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := loggo.ConfigureLoggers(*logSpec); err != nil {
		return errors.Trace(err)
	}

	st, fresh, err := loadState(*dir)
	if err != nil {
		return errors.Annotate(err, "state")
	}
	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		return errors.Trace(err)
	}
	port := listener.Addr().(*net.TCPAddr).Port

	dbs := newDatabases(filepath.Join(*dir, "db"))
	if fresh {
		dbs.bootstrapping = true
		if err := bootstrap(ctx, dbs, st, port); err != nil {
			return errors.Annotate(err, "bootstrap")
		}
		dbs.bootstrapping = false
		if err := st.save(*dir); err != nil {
			return errors.Trace(err)
		}
	}

	// Leases: the real manager over the controller database.
	leases, err := lease.NewManager(lease.ManagerConfig{
		SecretaryFinder:      internallease.NewSecretaryFinder(st.ControllerUUID),
		Store:                lease.NewStore(dbs, logger("juju.lease")),
		Logger:               logger("juju.lease"),
		Clock:                clock.WallClock,
		MaxSleep:             time.Minute,
		EntityUUID:           st.ControllerUUID,
		PrometheusRegisterer: prometheus.NewRegistry(),
		Tracer:               trace.NoopTracer{},
	})
	if err != nil {
		return errors.Annotate(err, "lease manager")
	}

	// Domain services: the real worker.
	providers := &providerFactory{dbs: dbs}
	stores := &objectStores{root: filepath.Join(*dir, "objects"), dbs: dbs}
	dbs.deleted = stores.forget
	logs, err := newLogSink(filepath.Join(*dir, "log"))
	if err != nil {
		return errors.Trace(err)
	}
	dsWorker, err := domainservices.NewWorker(domainservices.Config{
		DBGetter:                    dbs,
		ClusterDescriber:            noCluster{},
		ProviderFactory:             providers,
		ObjectStoreGetter:           stores,
		StorageRegistryGetter:       providers,
		PublicKeyImporter:           sshimporter.NewImporter(&http.Client{}),
		LeaseManager:                leases,
		LoggerContextGetter:         logs,
		LogDir:                      logs.dir,
		Logger:                      logger("juju.services"),
		Clock:                       clock.WallClock,
		NewDomainServicesGetter:     domainservices.NewDomainServicesGetter,
		NewControllerDomainServices: domainservices.NewControllerDomainServices,
		NewModelDomainServices:      domainservices.NewProviderTrackerModelDomainServices,
		SimpleStreamsClient:         &http.Client{},
	})
	if err != nil {
		return errors.Annotate(err, "domain services")
	}
	getter := dsWorker.(interface {
		ServicesGetter() services.DomainServicesGetter
	}).ServicesGetter()
	ctl, err := getter.ServicesForModel(ctx, coremodel.UUID(st.ControllerModelUUID))
	if err != nil {
		return errors.Trace(err)
	}
	if err := afterBootstrap(ctx, ctl, st, fresh, port); err != nil {
		return errors.Annotate(err, "after bootstrap")
	}

	registry, err := watcherregistry.NewWorker(watcherregistry.Config{
		Clock: clock.WallClock, Logger: logger("juju.watcherregistry")})
	if err != nil {
		return errors.Annotate(err, "watcher registry")
	}

	mux := apiserverhttp.NewMux()
	authenticator, err := stateauthenticator.NewAuthenticator(
		ctx, coremodel.UUID(st.ControllerModelUUID), ctl.ControllerConfig(),
		passwordServices{getter}, ctl.Access(), ctl.Macaroon(),
		authentication.NewAgentAuthenticatorGetter(ctl.AgentPassword(), logger("juju.auth")),
		clock.WallClock,
	)
	if err != nil {
		return errors.Annotate(err, "authenticator")
	}
	if err := authenticator.AddHandlers(mux); err != nil {
		return errors.Trace(err)
	}

	server, err := apiserver.NewServer(ctx, apiserver.ServerConfig{
		Clock:                      clock.WallClock,
		Tag:                        names.NewControllerAgentTag("0"),
		DataDir:                    filepath.Join(*dir, "data"),
		LogDir:                     logs.dir,
		Mux:                        mux,
		ControllerUUID:             st.ControllerUUID,
		ControllerModelUUID:        coremodel.UUID(st.ControllerModelUUID),
		LocalMacaroonAuthenticator: authenticator,
		UpgradeComplete:            func() bool { return true },
		NewObserver:                func() observer.Observer { return observer.None() },
		GetAuditConfig:             func() auditlog.Config { return auditlog.Config{} },
		LogSink:                    logs,
		LeaseManager:               leases,
		FlightRecorder:             flightrecorder.NoopRecorder{},
		MetricsCollector:           apiserver.NewMetricsCollector(),
		CharmhubHTTPClient:         &http.Client{},
		MacaroonHTTPClient:         &http.Client{},
		DomainServicesGetter:       getter,
		ControllerConfigService:    ctl.ControllerConfig(),
		DBGetter:                   dbs,
		TracerGetter:               noTracer{},
		ObjectStoreGetter:          stores,
		WatcherRegistryGetter:      registry.(watcherregistry.WatcherRegistryGetter),
		EphemeralProviderFactory:   providers,
	})
	if err != nil {
		return errors.Annotate(err, "api server")
	}

	cert, err := st.serverCert()
	if err != nil {
		return errors.Trace(err)
	}
	web := &http.Server{Handler: mux, TLSConfig: &tls.Config{
		Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}}
	go func() { _ = web.ServeTLS(listener, "", "") }()

	workers, err := controllerWorkers(dbs, getter, ctl)
	if err != nil {
		return errors.Annotate(err, "controller workers")
	}
	go runModels(ctx, getter, ctl, logs.dir)

	caFile := filepath.Join(*dir, "ca.pem")
	line, err := json.Marshal(map[string]any{
		"addr": fmt.Sprintf("127.0.0.1:%d", port), "ca": caFile,
		"controller-uuid": st.ControllerUUID, "controller-model-uuid": st.ControllerModelUUID,
		"user": "admin", "password": *password, "name": *name, "pid": os.Getpid(),
		"version": jujuVersion(), "restarted": !fresh,
	})
	if err != nil {
		return errors.Trace(err)
	}
	fmt.Println(string(line))

	<-ctx.Done()
	_ = web.Close()
	for _, w := range workers {
		w.Kill()
		_ = w.Wait()
	}
	server.Kill()
	_ = server.Wait()
	registry.Kill()
	_ = registry.Wait()
	leases.Kill()
	_ = leases.Wait()
	dsWorker.Kill()
	_ = dsWorker.Wait()
	stores.stop()
	dbs.stop()
	return nil
}

// Small pieces the API server asks for.

type passwordServices struct{ services.DomainServicesGetter }

func (p passwordServices) GetAgentPasswordServiceForModel(
	ctx context.Context, uuid coremodel.UUID,
) (authentication.AgentPasswordService, error) {
	svc, err := p.ServicesForModel(ctx, uuid)
	if err != nil {
		return nil, errors.Trace(err)
	}
	return svc.AgentPassword(), nil
}

type noTracer struct{}

func (noTracer) GetTracer(context.Context, trace.TracerNamespace) (trace.Tracer, error) {
	return trace.NoopTracer{}, nil
}

// logSink appends JSON lines to logsink.log, the file that
// MigrationTarget.LatestLogTime and the migration master read.
type logSink struct {
	dir string
	mu  sync.Mutex
	out *os.File
}

func newLogSink(dir string) (*logSink, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, errors.Trace(err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "logsink.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	return &logSink{dir: dir, out: f}, errors.Trace(err)
}

func (l *logSink) Log(records []corelogger.LogRecord) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range records {
		line, err := json.Marshal(&r)
		if err != nil {
			return errors.Trace(err)
		}
		if _, err := l.out.Write(append(line, '\n')); err != nil {
			return errors.Trace(err)
		}
	}
	return nil
}

func (l *logSink) Close() error { return nil }

func (l *logSink) GetLogWriter(context.Context, coremodel.UUID) (corelogger.LogWriter, error) {
	return l, nil
}

func (l *logSink) GetLoggerContext(context.Context, coremodel.UUID) (corelogger.LoggerContext, error) {
	return internallogger.DefaultContext(), nil
}
