package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"
	"github.com/juju/names/v5"

	"github.com/juju/juju/api"
	"github.com/juju/juju/api/controller/migrationtarget"
	coremigration "github.com/juju/juju/core/migration"
	"github.com/juju/juju/core/network"
	"github.com/juju/juju/migration"
	"github.com/juju/juju/rpc/params"
)

// A source controller, as far as an agent beside it asks: it shows its model, gives its binaries, and is asked to migrate. What its
// API server checks by then is done with Juju's own client, and the migration by its own master.

const (
	controllerUUID = "0f6e2d3c-52c1-4b0e-8a5e-7d9f1c2b3a4d"
	ownModelUUID   = "6d1f4b2e-0c53-4e0f-8f4c-3b8d6ac1a000"
)

type controller struct {
	source *source
	mu     sync.Mutex
	runs   bool
}

// serveController serves until the process is killed. It prints one line {"event":"serving"} once it listens.
func serveController(s *source) error {
	c := &controller{source: s}
	certificate, err := c.certificate()
	if err != nil {
		return err
	}
	listener, err := tls.Listen("tcp", *serve, &tls.Config{Certificates: []tls.Certificate{certificate}})
	if err != nil {
		return err
	}
	if phase := s.phase(); phase != coremigration.NONE && !phase.IsTerminal() {
		// Killed in a migration: its master goes on.
		c.begin()
	}
	if *minions == realMinions {
		if err := s.beginMinions(); err != nil {
			return err
		}
	}
	say("serving", listener.Addr().String())
	return (&http.Server{Handler: c}).Serve(listener)
}

func (c *controller) certificate() (tls.Certificate, error) {
	none := tls.Certificate{}
	of := func(name string, serial int64) *x509.Certificate {
		return &x509.Certificate{
			SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name},
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		}
	}
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return none, err
	}
	ca := of("juju-ca", 1)
	ca.IsCA, ca.BasicConstraintsValid, ca.KeyUsage = true, true, x509.KeyUsageCertSign
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, &caKey.PublicKey, caKey)
	if err != nil {
		return none, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return none, err
	}
	leaf := of("juju-server", 2)
	leaf.DNSNames = []string{"juju-apiserver", "localhost"}
	leafDER, err := x509.CreateCertificate(rand.Reader, leaf, ca, &key.PublicKey, caKey)
	if err != nil {
		return none, err
	}
	pemBytes := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: caDER})
	if err := os.WriteFile(*caFile, pemBytes, 0o600); err != nil {
		return none, err
	}
	return tls.Certificate{Certificate: [][]byte{leafDER, caDER}, PrivateKey: key}, nil
}

func (c *controller) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := strings.Trim(r.URL.Path, "/")
	if path == "" || path == "api" || strings.HasSuffix(path, "/api") {
		c.serveAPI(w, r)
		return
	}
	parts := strings.Split(path, "/")
	var file interface {
		Read([]byte) (int, error)
		Close() error
	}
	var err error
	switch {
	case len(parts) == 3 && parts[2] == "charms":
		file, err = c.source.OpenCharm(r.URL.Query().Get("url"))
	case len(parts) == 4 && parts[2] == "tools":
		file, err = c.source.OpenURI("/tools/"+parts[3], nil)
	case len(parts) == 6 && parts[2] == "applications" && parts[4] == "resources":
		file, err = c.source.OpenResource(parts[3], parts[5])
	default:
		err = fmt.Errorf("%s not found", path)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	defer file.Close()
	buffer := make([]byte, 64<<10)
	for {
		n, err := file.Read(buffer)
		if n > 0 {
			if _, err := w.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

type request struct {
	ID      uint64          `json:"request-id"`
	Type    string          `json:"type"`
	Request string          `json:"request"`
	Params  json.RawMessage `json:"params"`
}

type reply struct {
	ID       uint64         `json:"request-id"`
	Error    string         `json:"error,omitempty"`
	Code     string         `json:"error-code,omitempty"`
	Info     map[string]any `json:"error-info,omitempty"`
	Response any            `json:"response"`
}

func (c *controller) serveAPI(w http.ResponseWriter, r *http.Request) {
	upgrader := websocket.Upgrader{}
	socket, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer socket.Close()
	var writing sync.Mutex
	for {
		var asked request
		if err := socket.ReadJSON(&asked); err != nil {
			return
		}
		go func() {
			answer, err := c.answer(r.URL.Path, asked)
			told := reply{ID: asked.ID, Response: answer}
			if err != nil {
				told.Error, told.Response = err.Error(), struct{}{}
				if coded, ok := err.(*params.Error); ok {
					told.Error, told.Code, told.Info = coded.Message, coded.Code, coded.Info
				}
			}
			writing.Lock()
			defer writing.Unlock()
			_ = socket.WriteJSON(told)
		}()
	}
}

func (c *controller) answer(path string, asked request) (any, error) {
	switch asked.Type + "." + asked.Request {
	case "Admin.Login":
		return c.login(path, asked.Params)
	case "Pinger.Ping":
		return struct{}{}, nil
	case "Cloud.Clouds":
		return map[string]any{"clouds": map[string]any{}}, nil
	case "Controller.ControllerConfig":
		return map[string]any{"config": map[string]any{}}, nil
	case "Controller.IdentityProviderURL":
		return params.StringResult{}, nil
	case "Controller.InitiateMigration":
		return c.initiate(asked.Params)
	case "ModelManager.ListModelSummaries":
		return map[string]any{"results": []any{
			map[string]any{"result": map[string]any{
				"name": "controller", "uuid": ownModelUUID, "owner-tag": "user-admin", "is-controller": true,
				"cloud-tag": "cloud-c", "status": map[string]any{"status": "available"},
			}},
			c.shown(),
		}}, nil
	case "ModelManager.ModelInfo":
		return map[string]any{"results": []any{c.shown()}}, nil
	case "ModelManager.DumpModels":
		return map[string]any{"results": []any{map[string]any{"result": string(c.source.bytes)}}}, nil
	case "UserManager.UserInfo":
		return map[string]any{"results": []any{map[string]any{"result": map[string]any{"username": "admin", "access": "superuser"}}}}, nil
	}
	return nil, &params.Error{
		Message: fmt.Sprintf("unknown method %q for facade type %q", asked.Request, asked.Type), Code: params.CodeNotImplemented,
	}
}

func (c *controller) login(path string, raw json.RawMessage) (any, error) {
	var asked params.LoginRequest
	if err := json.Unmarshal(raw, &asked); err != nil {
		return nil, err
	}
	if asked.Credentials != *password {
		return nil, &params.Error{Message: "invalid entity name or password", Code: params.CodeUnauthorized}
	}
	if parts := strings.Split(strings.Trim(path, "/"), "/"); len(parts) == 3 {
		if err := c.movedAway(); err != nil {
			return nil, err
		}
	}
	result := params.LoginResult{
		ControllerTag: names.NewControllerTag(controllerUUID).String(),
		ServerVersion: "3.6.11",
		UserInfo:      &params.AuthUserInfo{Identity: asked.AuthTag, ControllerAccess: "superuser"},
	}
	if parts := strings.Split(strings.Trim(path, "/"), "/"); len(parts) == 3 {
		result.ModelTag = names.NewModelTag(parts[1]).String()
		result.Facades = []params.FacadeVersions{
			{Name: "Client", Versions: []int{8}}, {Name: "Pinger", Versions: []int{1}},
		}
		return result, nil
	}
	result.Facades = []params.FacadeVersions{
		{Name: "Cloud", Versions: []int{7}}, {Name: "Controller", Versions: []int{11, 12}},
		{Name: "MigrationTarget", Versions: []int{1, 2, 3, 4, 5, 6}}, {Name: "ModelManager", Versions: []int{9, 10}},
		{Name: "Pinger", Versions: []int{1}}, {Name: "SecretBackends", Versions: []int{1}},
		{Name: "UserManager", Versions: []int{3}},
	}
	return result, nil
}

// movedAway is what a user of the model is told once it has moved: where to.
func (c *controller) movedAway() error {
	s := c.source
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state.Phase != coremigration.DONE.String() {
		return nil
	}
	servers, err := network.ParseProviderHostPorts(s.target.Addrs...)
	if err != nil {
		return err
	}
	return &params.Error{
		Message: "redirection to alternative server required", Code: params.CodeRedirect,
		Info: params.RedirectErrorInfo{
			Servers: params.FromProviderHostsPorts([]network.ProviderHostPorts{servers}), CACert: s.target.CACert,
			ControllerTag: s.target.ControllerTag.String(), ControllerAlias: s.target.ControllerAlias,
		}.AsMap(),
	}
}

// shown is the model's ModelInfo, or why there is none.
func (c *controller) shown() any {
	info, err := c.source.ModelInfo()
	if err != nil {
		return map[string]any{"error": params.Error{Message: err.Error()}}
	}
	c.source.mu.Lock()
	state := c.source.state
	c.source.mu.Unlock()
	if state.Phase == coremigration.DONE.String() {
		return map[string]any{"error": params.Error{Message: "permission denied", Code: params.CodeUnauthorized}}
	}
	result := map[string]any{
		"name": info.Name, "uuid": info.UUID, "type": string(c.source.model.Type()), "owner-tag": info.Owner.String(),
		"cloud-tag": names.NewCloudTag(c.source.model.Cloud()).String(), "cloud-region": c.source.model.CloudRegion(),
		"is-controller": false, "agent-version": info.AgentVersion.String(), "life": "alive",
		"cloud-credential-validity": true, "status": map[string]any{"status": "available"},
	}
	if state.Phase != coremigration.NONE.String() {
		shown := map[string]any{"status": state.Message, "start": state.Began.UTC().Format(time.RFC3339)}
		if state.Phase == coremigration.ABORTDONE.String() {
			shown["end"] = state.Since.UTC().Format(time.RFC3339)
		}
		result["migration"] = shown
	}
	return map[string]any{"result": result}
}

func (c *controller) initiate(raw json.RawMessage) (any, error) {
	var args params.InitiateMigrationArgs
	if err := json.Unmarshal(raw, &args); err != nil {
		return nil, err
	}
	var results params.InitiateMigrationResults
	for _, spec := range args.Specs {
		result := params.InitiateMigrationResult{ModelTag: spec.ModelTag}
		if id, err := c.initiateOne(spec); err != nil {
			result.Error = &params.Error{Message: err.Error()}
		} else {
			result.MigrationId = id
		}
		results.Results = append(results.Results, result)
	}
	return results, nil
}

// initiateOne does what Juju's API server does before there is a migration: it logs in to the target, reads its users and its
// identity provider, and lets it check the model.
func (c *controller) initiateOne(spec params.MigrationSpec) (string, error) {
	c.mu.Lock()
	runs := c.runs
	c.mu.Unlock()
	if runs {
		return "", fmt.Errorf("failed to create migration: already in progress")
	}
	target, err := targetOf(spec.TargetInfo)
	if err != nil {
		return "", err
	}
	login := &api.Info{Addrs: target.Addrs, CACert: target.CACert, Tag: target.AuthTag, Password: target.Password}
	conn, err := api.Open(login, migration.ControllerDialOpts(nil))
	if err != nil {
		return "", fmt.Errorf("connect to target controller: %w", err)
	}
	defer conn.Close()
	var users params.UserInfoResults
	if err := conn.APICall("UserManager", 3, "", "UserInfo", params.UserInfoRequest{IncludeDisabled: true}, &users); err != nil {
		return "", fmt.Errorf("users of the target: %w", err)
	}
	var url params.StringResult
	version := conn.BestFacadeVersion("Controller")
	if err := conn.APICall("Controller", version, "", "IdentityProviderURL", nil, &url); err != nil {
		return "", fmt.Errorf("identity provider of the target: %w", err)
	}
	info, err := c.source.ModelInfo()
	if err != nil {
		return "", err
	}
	if err := migrationtarget.NewClient(conn).Prechecks(info); err != nil {
		return "", fmt.Errorf("target prechecks failed: %w", err)
	}
	s := c.source
	s.mu.Lock()
	s.target = target
	s.state.Attempt++
	s.state.ID = fmt.Sprintf("%s:%d", s.model.Tag().Id(), s.state.Attempt)
	s.state.Phase, s.state.Since, s.state.Began = coremigration.QUIESCE.String(), time.Now(), time.Now()
	s.state.Message, s.state.Target = "starting", spec.TargetInfo
	err = s.keep()
	id := s.state.ID
	s.reporters.tell(s.minionStatusLocked())
	s.mu.Unlock()
	if err != nil {
		return "", err
	}
	c.begin()
	return id, nil
}

// begin runs the master until the migration has ended.
func (c *controller) begin() {
	c.mu.Lock()
	c.runs = true
	c.mu.Unlock()
	go func() {
		for {
			err := c.source.runMaster()
			say("master", fmt.Sprint(err))
			switch c.source.phase() {
			case coremigration.DONE, coremigration.ABORTDONE, coremigration.REAPFAILED:
				c.mu.Lock()
				c.runs = false
				c.mu.Unlock()
				return
			}
			time.Sleep(*retry)
		}
	}()
}

// validate lets every machine's agent look for its model at the target, and returns those that did not find the way.
func (s *source) validate() map[string]bool {
	var (
		agents sync.WaitGroup
		mu     sync.Mutex
		failed = map[string]bool{}
	)
	for _, machine := range s.model.Machines() {
		agents.Add(1)
		go func(id string) {
			defer agents.Done()
			if err := s.dialTarget(id); err != nil {
				say("agent", fmt.Sprintf("machine %s: %v", id, err))
				mu.Lock()
				failed[id] = true
				mu.Unlock()
			}
		}(machine.Id())
	}
	agents.Wait()
	return failed
}

// dialTarget logs an agent of the model in at the target, as an agent does in VALIDATION: it is content to be sent elsewhere.
func (s *source) dialTarget(machine string) error {
	s.mu.Lock()
	target := s.target
	s.mu.Unlock()
	login := &api.Info{
		Addrs: target.Addrs, CACert: target.CACert, ModelTag: s.model.Tag(), Tag: names.NewMachineTag(machine),
		Password: "password-of-machine-" + machine + "-0123456789", Nonce: "user-admin:bootstrap",
	}
	conn, err := api.Open(login, api.DialOpts{DialTimeout: 3 * time.Second, Timeout: 10 * time.Minute, RetryDelay: time.Second})
	var redirect *api.RedirectError
	if errors.As(err, &redirect) {
		say("redirect", fmt.Sprint(redirect.Servers))
		return nil
	}
	if err == nil {
		return conn.Close()
	}
	return err
}
