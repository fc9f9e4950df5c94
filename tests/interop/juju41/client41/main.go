// Command client41 asks a controller with Juju 4.1's own API client and prints the answer as JSON.
//
//	client41 -addr HOST:PORT -ca FILE [-user admin] -password P models
//	client41 … status UUID      the model's FullStatus
//	client41 … info UUID        its ModelInfo
//	client41 … agent UUID TAG   logs in as an agent of the model, with -password
//	client41 … call UUID FACADE[:VERSION] METHOD JSON   any call; an empty UUID is the controller's own connection
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/juju/errors"
	"github.com/juju/names/v6"

	"github.com/juju/juju/api"
	"github.com/juju/juju/api/client/client"
	"github.com/juju/juju/api/client/modelmanager"
	internallogger "github.com/juju/juju/internal/logger"
)

var (
	addr     = flag.String("addr", "", "the controller's host:port")
	caFile   = flag.String("ca", "", "the controller's CA certificate, PEM")
	user     = flag.String("user", "admin", "the user")
	password = flag.String("password", "", "the password")
)

func main() {
	flag.Parse()
	answer, err := run(context.Background(), flag.Args())
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(answer)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "client41:", err)
		os.Exit(1)
	}
}

func open(ctx context.Context, uuid string, tag names.Tag) (api.Connection, error) {
	ca, err := os.ReadFile(*caFile)
	if err != nil {
		return nil, errors.Trace(err)
	}
	info := &api.Info{Addrs: []string{*addr}, CACert: string(ca), Tag: tag, Password: *password}
	if uuid != "" {
		info.ModelTag = names.NewModelTag(uuid)
	}
	return api.Open(ctx, info, api.DialOpts{Timeout: 10 * time.Second, RetryDelay: 100 * time.Millisecond})
}

func run(ctx context.Context, args []string) (any, error) {
	if len(args) == 0 {
		return nil, errors.New("models, status, info, agent or call?")
	}
	uuid := ""
	if len(args) > 1 && args[0] != "info" {
		uuid = args[1]
	}
	var tag names.Tag = names.NewUserTag(*user)
	if args[0] == "agent" && len(args) == 3 {
		var err error
		if tag, err = names.ParseTag(args[2]); err != nil {
			return nil, errors.Trace(err)
		}
	}
	conn, err := open(ctx, uuid, tag)
	if err != nil {
		return nil, errors.Trace(err)
	}
	defer func() { _ = conn.Close() }()
	switch {
	case args[0] == "models" && len(args) == 1:
		return modelmanager.NewClient(conn).ListModels(ctx, *user)
	case args[0] == "status" && len(args) == 2:
		return client.NewClient(conn, internallogger.GetLogger("client41")).Status(ctx, &client.StatusArgs{IncludeStorage: true})
	case args[0] == "info" && len(args) == 2:
		return modelmanager.NewClient(conn).ModelInfo(ctx, []names.ModelTag{names.NewModelTag(args[1])})
	case args[0] == "agent" && len(args) == 3:
		return map[string]string{"controller": conn.ControllerTag().Id()}, nil
	case args[0] == "call" && len(args) == 5:
		var params, answer any
		if err := json.Unmarshal([]byte(args[4]), &params); err != nil {
			return nil, errors.Trace(err)
		}
		facade, chosen, _ := strings.Cut(args[2], ":")
		version, err := strconv.Atoi(chosen)
		if err != nil {
			version = conn.BestFacadeVersion(facade)
		}
		err = conn.APICall(ctx, facade, version, "", args[3], params, &answer)
		return answer, err
	}
	return nil, errors.Errorf("%q is not understood", args)
}
